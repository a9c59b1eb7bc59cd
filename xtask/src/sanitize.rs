//! The kernels' tests under AddressSanitizer: their `unsafe` corners read and write by pointers.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use crate::check::{heading, root};

/// The instruction sets, as `THRUMASK_SIMD` names them; none is the best that there is.
const LEVELS: [&str; 3] = ["", "avx2", "portable"];

/// The sanitizer, and the checks that the standard library makes of what `unsafe` code promises.
const FLAGS: &str = "-Zsanitizer=address -Cdebug-assertions=on";

/// Runs the tests with each instruction set, in a target folder of their own. `args` go to `cargo test`.
///
/// # Errors
/// When a test fails, or something is read or written that may not be.
pub fn sanitize(args: &[String]) -> Result<()> {
    let root = root()?;
    let host = host()?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root.join("target")).join("sanitizer");
    for level in LEVELS {
        heading(if level.is_empty() { "best instructions" } else { level });
        let status = Command::new("cargo")
            // With a target named, flags are for it alone and not for build scripts.
            .args(["test", "--release", "-p", "thrumask-kernels", "--target", &host])
            .args(args)
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTC_BOOTSTRAP", "1") // Sanitizers are not stable.
            .env("RUSTFLAGS", FLAGS)
            .env("THRUMASK_SIMD", level)
            .current_dir(&root)
            .status()
            .context("starting cargo")?;
        if !status.success() {
            bail!("tests under the sanitizer failed ({status}), THRUMASK_SIMD={level}");
        }
    }
    Ok(())
}

/// The name of this machine's target, as `rustc` says.
fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("starting rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).with_context(|| format!("expected the host from rustc, got {text:?}"))
}
