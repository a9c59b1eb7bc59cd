//! Memory between tensors.

/// Lets the allocator keep what tensors leave, for the tensors that follow, up to 1 GiB.
///
/// A denoiser frees and takes the same megabytes over and over. With the GNU C library's defaults
/// they go back to the system each time and come again as pages that must be zeroed one by one: a
/// tenth of a training step of stage 2, and most of an element-wise operator on 32 MiB
/// (`docs/performance.md`). A binary calls this once, before its first thread; with other C
/// libraries it does nothing.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const MIB: libc::c_int = 1 << 20;
        // No block gets a mapping of its own: those go back to the system when they are freed, and
        // the threshold for them cannot be raised above 32 MiB, which is a common size of a tensor.
        let options = [
            (libc::M_MMAP_MAX, 0),
            (libc::M_TRIM_THRESHOLD, 1024 * MIB),
            (libc::M_TOP_PAD, 64 * MIB),
        ];
        for (option, value) in options {
            // SAFETY: sets a number inside of the allocator, under its lock. A refusal leaves the
            // default, which is slower and as right.
            unsafe { libc::mallopt(option, value) };
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_as_good_as_before() {
        super::keep_freed_memory();
        for n in [1usize, 1 << 12, 1 << 22, 1 << 25] {
            let values = vec![1.0f32; n];
            assert_eq!(values.iter().filter(|&&v| v == 1.0).count(), n);
        }
    }
}
