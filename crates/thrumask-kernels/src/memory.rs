//! Memory between tensors, and where it lies.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::OnceLock;

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
            // One arena: those of other threads give a block's memory back with the block, or map each
            // that is larger than 64 MiB by itself.
            (libc::M_ARENA_MAX, 1),
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

/// Whether `len` floats are as many as the largest cache holds, so that the first of them have left it when
/// the last are written.
pub(crate) fn outgrows_caches(len: usize) -> bool {
    static LARGEST: OnceLock<usize> = OnceLock::new();
    len.saturating_mul(size_of::<f32>())
        >= *LARGEST.get_or_init(|| largest_cache().unwrap_or(32 << 20))
}

/// Bytes of the first processor's largest cache; `None` where the system does not tell.
fn largest_cache() -> Option<usize> {
    let of = |index: usize| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        cache_size(&std::fs::read_to_string(path).ok()?)
    };
    (0..8).map_while(of).max()
}

/// Bytes of a size as Linux writes it: `32768K`.
fn cache_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let (digits, unit) = match text.strip_suffix('K') {
        Some(digits) => (digits, 1 << 10),
        None => (text.strip_suffix('M')?, 1 << 20),
    };
    digits.parse::<usize>().ok()?.checked_mul(unit).filter(|&size| size > 0)
}

/// The system's allocator, with blocks of a page and more from the start of a cache line on, and large
/// ones in large pages where the system has them for the asking.
///
/// The GNU C library's blocks start 16 bytes behind one, so that every whole vector of a tensor lies
/// across two lines. A binary makes it its own with `#[global_allocator]`; nothing depends on it but
/// speed.
pub struct LineAllocator;

/// Bytes from which on a block is aligned, and to what.
const LARGE: usize = 4096;
const LINE: usize = 64;

/// Bytes from which on a block is put in large pages: some of them.
#[cfg(target_os = "linux")]
const HUGE: usize = 8 << 20;

/// The layout that is asked of the system for a large block: with room to start at a line, and before it
/// for the address that the system gave.
///
/// Not an alignment: the GNU C library asks itself for more than the block then, does not find the same
/// place again when the block comes back, and a program that takes and gives the same tensors grows.
fn with_room(layout: Layout) -> Option<Layout> {
    Layout::from_size_align(layout.size().checked_add(LINE)?, 16).ok()
}

/// Whether a block starts at a line.
fn is_lined(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= LINE
}

/// The start of the line behind `block`, with the address of `block` before it.
///
/// # Safety
/// `block` is null, or valid for [`with_room`]'s layout.
unsafe fn line_behind(block: *mut u8) -> *mut u8 {
    if block.is_null() {
        return block;
    }
    // SAFETY: 16 to 64 bytes behind a start that is aligned to 16, inside of the room.
    unsafe {
        let line = block.add(LINE - block.addr() % LINE);
        line.cast::<*mut u8>().sub(1).write(block);
        line
    }
}

/// Asks for large pages under the whole pages of a block. Each page is a fault less in five hundred, and
/// the processor finds their places sooner.
fn enlarge(block: *mut u8, size: usize) {
    #[cfg(target_os = "linux")]
    if size >= HUGE && !block.is_null() {
        const PAGE: usize = 4096;
        let skip = block.align_offset(PAGE);
        // SAFETY: pages of memory that the caller owns; their contents stay. Where it cannot be had the
        // call says so, and nothing has changed.
        unsafe { libc::madvise(block.add(skip).cast(), size - skip, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (block, size);
}

// SAFETY: every block comes from the system's allocator and goes back to it with the address and the
// layout that it was asked with; what is given out lies inside of it, as aligned as the caller asked.
unsafe impl GlobalAlloc for LineAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        unsafe {
            match with_room(layout).filter(|_| is_lined(layout)) {
                Some(room) => {
                    let line = line_behind(System.alloc(room));
                    enlarge(line, layout.size());
                    line
                }
                None => System.alloc(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller; a lined block has the system's address before it.
        unsafe {
            match with_room(layout).filter(|_| is_lined(layout)) {
                Some(room) => System.dealloc(block.cast::<*mut u8>().sub(1).read(), room),
                None => System.dealloc(block, layout),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        unsafe {
            match with_room(layout).filter(|_| is_lined(layout)) {
                Some(room) => line_behind(System.alloc_zeroed(room)),
                None => System.alloc_zeroed(layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller; where a block is lined before or after, a new one, and as
        // many bytes of the old one as both hold.
        unsafe {
            let new = Layout::from_size_align_unchecked(size, layout.align());
            if !is_lined(layout) && !is_lined(new) {
                return System.realloc(block, layout, size);
            }
            let to = self.alloc(new);
            if !to.is_null() {
                block.copy_to_nonoverlapping(to, size.min(layout.size()));
                self.dealloc(block, layout);
            }
            to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_bytes_as_they_grow_and_shrink_over_the_limit() {
        let size = |size| Layout::from_size_align(size, 8).expect("a valid layout");
        for sizes in [[100, 5000, 90_000, 4100, 64], [4095, 4096, 4095, 4097, 1]] {
            // SAFETY: each block is used within its size, and freed once with its layout.
            unsafe {
                let mut block = LineAllocator.alloc(size(sizes[0]));
                for i in 0..sizes[0] {
                    block.add(i).write(i as u8);
                }
                let mut kept = sizes[0];
                for pair in sizes.windows(2) {
                    block = LineAllocator.realloc(block, size(pair[0]), pair[1]);
                    kept = kept.min(pair[1]);
                    assert!((0..kept).all(|i| block.add(i).read() == i as u8), "{pair:?}");
                    let line = if pair[1] >= LARGE { LINE } else { 8 };
                    assert!(block.addr().is_multiple_of(line), "{pair:?}");
                }
                LineAllocator.dealloc(block, size(sizes[4]));
                let zeroed = LineAllocator.alloc_zeroed(size(10_000));
                assert!((0..10_000).all(|i| zeroed.add(i).read() == 0));
                assert!(zeroed.addr().is_multiple_of(LINE));
                LineAllocator.dealloc(zeroed, size(10_000));
            }
        }
    }

    #[test]
    fn sizes_of_caches_are_read_as_linux_writes_them() {
        assert_eq!(cache_size("32768K\n"), Some(32 << 20));
        assert_eq!(cache_size("105M"), Some(105 << 20));
        for wrong in ["", "K", "0K", "12", "-3K", "99999999999999999999K", "18446744073709551615M"]
        {
            assert_eq!(cache_size(wrong), None, "{wrong}");
        }
        assert!(outgrows_caches(usize::MAX) && !outgrows_caches(1024));
    }

    #[test]
    fn memory_is_as_good_as_before() {
        super::keep_freed_memory();
        for n in [1usize, 1 << 12, 1 << 22, 1 << 25] {
            let values = vec![1.0f32; n];
            assert_eq!(values.iter().filter(|&&v| v == 1.0).count(), n);
        }
    }
}
