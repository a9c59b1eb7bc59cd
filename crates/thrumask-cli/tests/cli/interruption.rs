//! Kills and interrupts at any moment.
#![cfg(unix)]

use std::{
    fs,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::common::{ARTEFACTS, KILLS, Place, Said, animate, leftovers};

#[test]
fn a_kill_at_any_moment_leaves_whole_files_and_the_rest_is_done_later() {
    let place = Place::new();
    let began = Instant::now();
    place.animate("whole.mp4", &[]);
    let whole = began.elapsed();
    for kill in 0..KILLS {
        let _ = fs::remove_dir_all(place.at("cut.run"));
        let _ = fs::remove_file(place.at("cut.mp4"));
        // Moments spread evenly over the run, in an order without pattern.
        let part = f64::from(kill * 7 % 20) / 20.0 + 0.03;
        let mut child = place
            .command(&animate("cut.mp4", &[]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole.mul_f64(part));
        child.kill().unwrap();
        child.wait().unwrap();
        for name in ARTEFACTS {
            if let Ok(bytes) = fs::read(place.at("cut.run").join(name)) {
                assert!(bytes == place.read(&format!("whole.run/{name}")), "{name} at {part}");
            }
        }
        if let Ok(bytes) = fs::read(place.at("cut.mp4")) {
            assert!(bytes == place.read("whole.mp4"), "cut.mp4 at {part}");
        }
        place.animate("cut.mp4", &[]);
        place.assert_same("whole.run", "cut.run");
        assert!(place.read("cut.mp4") == place.read("whole.mp4"));
        let known = [&ARTEFACTS[..], &["run.json"]].concat();
        assert_eq!(leftovers(&place.at("cut.run"), &known), [""; 0]);
    }
}

/// Waits until a file is there.
fn wait_for(place: &Place, name: &str, child: &mut Child) {
    while !place.at(name).exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before {name} was there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupt_keeps_what_is_finished_and_the_same_command_goes_on() {
    let place = Place::new();
    let slow = animate("out.mp4", &["--set", "motion.steps=40"]);
    for signal in ["-INT", "-TERM"] {
        let _ = fs::remove_dir_all(place.at("out.run"));
        let mut child =
            place.command(&slow).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for(&place, "out.run/masks.png", &mut child);
        let id = child.id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(130), "{}", said.err);
        assert!(said.err.contains("interrupted; the same command goes on"), "{}", said.err);
        assert!(said.out.is_empty() && !place.at("out.mp4").exists());
    }
    let said = place.animate("out.mp4", &["--set", "motion.steps=1"]);
    assert!(said.of("segment").contains("kept") && !said.of("motion").contains("kept"));
}

#[test]
fn two_processes_do_not_work_in_one_run() {
    let place = Place::new();
    let slow = animate("out.mp4", &["--set", "motion.steps=1000"]);
    let quiet = || Stdio::null();
    let mut child = place.command(&slow).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    wait_for(&place, "out.run/masks.png", &mut child);
    let e = place.fails(1, &animate("out.mp4", &[]));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(e.contains("another thrumask is working in it"), "{e}");
}

/// A file that may not grow past a few kilobytes stands for a full disk.
#[test]
fn a_full_disk_is_an_error_and_nothing_is_half_written() {
    let place = Place::new();
    let shell = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";
    let mut command = std::process::Command::new("sh");
    command.args(["-c", shell, env!("CARGO_BIN_EXE_thrumask")]);
    command.args(animate("out.mp4", &["--size", "256"])).current_dir(place.at(""));
    let said = Said::from(command.output().unwrap());
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("error: writing") && said.err.contains("out.run"), "{}", said.err);
    let present = ARTEFACTS.iter().filter(|name| place.at("out.run").join(name).exists());
    let known: Vec<&str> = present.copied().chain(["run.json"]).collect();
    assert_eq!(leftovers(&place.at("out.run"), &known), [""; 0]);
    place.animate("out.mp4", &["--size", "256"]);
    place.animate("other.mp4", &["--size", "256"]);
    place.assert_same("out.run", "other.run");
}

#[test]
fn a_result_that_nobody_can_take_is_an_error() {
    let place = Place::new();
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let output = place.command(&["schema"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output"));
}
