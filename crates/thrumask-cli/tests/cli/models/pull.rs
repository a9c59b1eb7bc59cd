//! Downloads: the cache they leave, and what they do when things go wrong.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use super::server::{COMMIT, REPO, Server};
use crate::common::{Place, Said};

const LARGE: &str = "unet/model.safetensors";

/// Bytes without a pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn server(place: &Place) -> Server {
    let files = [
        ("config.json", b"{}\n".to_vec()),
        ("a name.txt", b"hello\n".to_vec()),
        ("unet/config.json", b"{}\n".to_vec()),
        (LARGE, noise(1_500_000)),
    ];
    Server::start(place, &files)
}

/// Pulls with `more` options; the code must be `code`.
fn pull(server: &Server, place: &Place, more: &[&str], code: i32) -> Said {
    let args = [&["models", "pull", REPO], more].concat();
    let said = Said::from(server.command(place, &args).output().unwrap());
    assert_eq!(said.code, Some(code), "{more:?}: {}", said.err);
    said
}

fn folder(place: &Place) -> PathBuf {
    place.at("hf/hub/models--org--tiny")
}

fn blob(server: &Server, place: &Place, file: &str) -> PathBuf {
    folder(place).join("blobs").join(server.etag(file))
}

fn partial(server: &Server, place: &Place) -> PathBuf {
    blob(server, place, LARGE).with_extension("incomplete")
}

/// The requests for the contents of the large file.
fn downloads(server: &Server) -> Vec<String> {
    server.requests().into_iter().filter(|r| r.starts_with("GET /cdn/")).collect()
}

#[test]
fn a_pull_leaves_what_python_would_and_the_next_one_asks_for_the_list_alone() {
    let place = Place::new();
    let server = server(&place);
    server.faults.lock().unwrap().token = Some("secret".into());
    let mut command = server.command(&place, &["models", "pull", REPO]);
    let said = Said::from(command.env("HF_TOKEN", "secret").output().unwrap());
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(!said.err.contains("secret"));
    let snapshot = folder(&place).join("snapshots").join(COMMIT);
    assert_eq!(said.out.trim(), snapshot.to_str().unwrap());
    assert_eq!(fs::read_to_string(folder(&place).join("refs/main")).unwrap(), COMMIT);
    for (file, up) in [("config.json", "../../"), ("a name.txt", "../../"), (LARGE, "../../../")] {
        let path = snapshot.join(file);
        let link = fs::read_link(&path).unwrap();
        assert_eq!(link.to_str().unwrap(), format!("{up}blobs/{}", server.etag(file)));
    }
    assert_eq!(fs::read(snapshot.join(LARGE)).unwrap(), noise(1_500_000));
    assert_eq!(fs::read(snapshot.join("a name.txt")).unwrap(), b"hello\n");
    // Both config.json are one blob; nothing else is left.
    assert_eq!(fs::read_dir(folder(&place).join("blobs")).unwrap().count(), 3);
    let requests = server.requests();
    let cdn: Vec<_> = requests.iter().filter(|r| r.contains("/cdn/")).collect();
    assert_eq!(cdn.len(), 1, "{requests:?}");
    assert!(!cdn[0].contains("secret"), "the token is not for others: {cdn:?}");
    assert_eq!(requests.iter().filter(|r| r.contains("Bearer secret")).count(), requests.len() - 1);

    server.faults.lock().unwrap().token = None;
    let said = pull(&server, &place, &[], 0);
    assert_eq!(said.err.matches("kept").count(), 4, "{}", said.err);
    assert_eq!(server.requests(), [format!("GET /api/models/{REPO}/revision/main")]);
    // A token in its file is used as well.
    place.write("hf/token", "secret\n");
    server.faults.lock().unwrap().token = Some("secret".into());
    pull(&server, &place, &["--revision", "refs/pr/1"], 0);
    assert_eq!(fs::read_to_string(folder(&place).join("refs/refs/pr/1")).unwrap(), COMMIT);
    // A file that was lost from the snapshot is linked again without a download.
    fs::remove_file(snapshot.join(LARGE)).unwrap();
    server.requests();
    pull(&server, &place, &["--revision", COMMIT], 0);
    assert_eq!(downloads(&server), [""; 0]);
    assert!(snapshot.join(LARGE).exists());
    assert!(!folder(&place).join("refs").join(COMMIT).exists());
}

#[test]
fn offline_nothing_is_asked() {
    let place = Place::new();
    let server = server(&place);
    let offline = |more: &[&str]| {
        let args = [&["models", "pull", REPO, "--json"], more].concat();
        let output = server.command(&place, &args).env("HF_HUB_OFFLINE", "1").output();
        Said::from(output.unwrap())
    };
    let said = offline(&[]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains(REPO) && said.err.contains("HF_HUB_OFFLINE"), "{}", said.err);
    assert_eq!(server.requests(), [""; 0]);
    pull(&server, &place, &["--include", "*.json", "--quiet"], 0);
    server.requests();
    let found: serde_json::Value = serde_json::from_str(&offline(&[]).out).unwrap();
    assert_eq!(found["commit"], COMMIT);
    let names: Vec<_> = found["files"].as_array().unwrap().iter().map(|f| &f["name"]).collect();
    assert_eq!(names, ["config.json", "unet/config.json"]);
    assert_eq!(offline(&["--include", "*.json"]).code, Some(0));
    assert!(offline(&["--include", "*.safetensors"]).err.contains("no file fits"));
    assert_eq!(offline(&["--revision", "v1"]).code, Some(1));
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn a_connection_that_ends_is_gone_on_with() {
    let place = Place::new();
    let server = server(&place);
    server.faults.lock().unwrap().cuts = vec![400_000, 300_000];
    pull(&server, &place, &[], 0);
    assert_eq!(fs::read(blob(&server, &place, LARGE)).unwrap(), noise(1_500_000));
    let downloads = downloads(&server);
    assert_eq!(downloads.len(), 3);
    assert!(!downloads[0].contains("bytes="), "{downloads:?}");
    assert!(downloads[1].ends_with("bytes=300000-"), "{downloads:?}");
    assert!(downloads[2].ends_with("bytes=700000-"), "{downloads:?}");
}

#[test]
fn a_killed_download_is_gone_on_with_and_an_interrupted_one_says_so() {
    let place = Place::new();
    let server = server(&place);
    server.faults.lock().unwrap().pause = Duration::from_millis(60);
    let mut last = 0;
    for signal in ["-KILL", "-INT"] {
        let mut command = server.command(&place, &["models", "pull", REPO]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let since = Instant::now();
        let size = || fs::metadata(partial(&server, &place)).map_or(0, |m| m.len());
        while size() < last + 200_000 {
            assert!(since.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = child.id().to_string();
        std::process::Command::new("kill").args([signal, &id]).status().unwrap();
        let said = Said::from(child.wait_with_output().unwrap());
        if signal == "-INT" {
            assert_eq!(said.code, Some(130), "{}", said.err);
            assert!(said.err.contains("the same command goes on"), "{}", said.err);
        }
        last = size();
        assert!(last < 1_500_000 && !blob(&server, &place, LARGE).exists());
        assert!(!folder(&place).join("snapshots").join(COMMIT).join(LARGE).exists());
    }
    server.faults.lock().unwrap().pause = Duration::ZERO;
    server.requests();
    pull(&server, &place, &[], 0);
    let downloads = downloads(&server);
    assert!(downloads[0].ends_with(&format!("bytes={last}-")), "{downloads:?} {last}");
    assert_eq!(fs::read(blob(&server, &place, LARGE)).unwrap(), noise(1_500_000));
    assert!(!partial(&server, &place).exists());
}

#[test]
fn what_is_not_what_it_should_be_is_not_kept() {
    let place = Place::new();
    let server = server(&place);
    server.faults.lock().unwrap().corrupt = true;
    let said = pull(&server, &place, &[], 1);
    assert!(said.err.contains("check sum") && said.err.contains(LARGE), "{}", said.err);
    assert!(!blob(&server, &place, LARGE).exists() && !partial(&server, &place).exists());
    server.faults.lock().unwrap().corrupt = false;
    // What another program left is tried, and done again when it was broken or too long.
    for (left, no_ranges) in [(noise(9), false), (vec![0; 2_000_000], false), (noise(9), true)] {
        fs::write(partial(&server, &place), if no_ranges { vec![7; 9] } else { left }).unwrap();
        server.faults.lock().unwrap().no_ranges = no_ranges;
        pull(&server, &place, &[], 0);
        assert_eq!(fs::read(blob(&server, &place, LARGE)).unwrap(), noise(1_500_000));
        fs::remove_file(blob(&server, &place, LARGE)).unwrap();
    }
    server.faults.lock().unwrap().no_ranges = false;
    fs::write(partial(&server, &place), vec![7; 1_400_000]).unwrap();
    server.requests();
    pull(&server, &place, &[], 0);
    assert_eq!(fs::read(blob(&server, &place, LARGE)).unwrap(), noise(1_500_000));
    let downloads = downloads(&server);
    assert_eq!(downloads.len(), 2, "the rest, and then all of it: {downloads:?}");
}

#[test]
fn refusals_are_told_and_passing_troubles_are_not() {
    let place = Place::new();
    let server = server(&place);
    server.faults.lock().unwrap().busy = 2;
    pull(&server, &place, &["--include", "config.json"], 0);
    assert_eq!(server.requests().len(), 5);
    let said = pull(&server, &place, &["--revision", "v9"], 1);
    assert!(said.err.contains(REPO) && said.err.contains("no such revision"), "{}", said.err);
    let said = pull(&server, &place, &["--include", "vae/*"], 1);
    assert!(
        said.err.contains("\"vae/*\"") && said.err.contains("unet/config.json"),
        "{}",
        said.err
    );
    let said = pull(&server, &place, &["--revision", "../main"], 1);
    assert!(said.err.contains("expected a branch"), "{}", said.err);
    let fails = |name: &str| {
        let output = server.command(&place, &["models", "pull", name]).output();
        Said::from(output.unwrap()).err
    };
    assert!(fails("org/other").contains("org/other: there is no such repository"));
    assert!(fails("nothing").contains("sd15"), "{}", fails("nothing"));
    assert!(fails("org/tiny/unet").contains("--include 'unet/'"));
    server.faults.lock().unwrap().token = Some("secret".into());
    let said = pull(&server, &place, &[], 1);
    assert!(said.err.contains("HF_TOKEN"), "{}", said.err);
    let wrong = server.command(&place, &["models", "pull", REPO]).env("HF_TOKEN", "x").output();
    let said = Said::from(wrong.unwrap());
    assert!(said.err.contains("the token may not read it"), "{}", said.err);
    server.faults.lock().unwrap().token = None;
    server.faults.lock().unwrap().listed = Some("../../outside".into());
    let said = pull(&server, &place, &[], 1);
    assert!(said.err.contains("leads elsewhere"), "{}", said.err);
    server.faults.lock().unwrap().listed = Some("gone.bin".into());
    let said = pull(&server, &place, &[], 1);
    assert!(said.err.contains("gone.bin: there is no such file"), "{}", said.err);
    // Nobody there at all.
    let mut command = server.command(&place, &["models", "pull", REPO]);
    let said = Said::from(command.env("HF_ENDPOINT", "http://127.0.0.1:9").output().unwrap());
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("given up after 5 attempts"), "{}", said.err);
}

#[test]
fn two_pulls_at_once_download_once() {
    let place = Place::new();
    let server = server(&place);
    server.faults.lock().unwrap().pause = Duration::from_millis(20);
    let children: Vec<_> = (0..2)
        .map(|_| {
            let mut command = server.command(&place, &["models", "pull", REPO]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    assert_eq!(downloads(&server).len(), 1);
    assert_eq!(fs::read(blob(&server, &place, LARGE)).unwrap(), noise(1_500_000));
}

/// Every path below a folder, links with their targets.
fn tree(folder: &Path) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match fs::read_link(&path) {
                Ok(target) => found.push(format!("{} -> {}", path.display(), target.display())),
                Err(_) if path.is_dir() => open.push(path),
                Err(_) => found.push(path.display().to_string()),
            }
        }
    }
    found.sort();
    found
}

/// With the Python that `THRUMASK_TEST_PYTHON` names, which has `huggingface_hub`.
#[test]
fn python_leaves_the_same_cache_and_both_read_the_other_one() {
    let Some(python) = std::env::var_os("THRUMASK_TEST_PYTHON") else {
        eprintln!("skipped: THRUMASK_TEST_PYTHON is not set");
        return;
    };
    let (place, other) = (Place::new(), Place::new());
    let server = server(&place);
    let script = "import huggingface_hub; print(huggingface_hub.snapshot_download('org/tiny'))";
    let python = |home: &Place, offline: &str| {
        let mut command = std::process::Command::new(&python);
        command.args(["-c", script]).env("HF_ENDPOINT", server.endpoint());
        command.env("HF_HOME", home.at("hf")).env("HF_HUB_OFFLINE", offline);
        command.env_remove("HF_HUB_CACHE").env_remove("HF_TOKEN").env("HF_HUB_DISABLE_XET", "1");
        let said = Said::from(command.output().unwrap());
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.trim().to_owned()
    };
    pull(&server, &place, &[], 0);
    python(&other, "0");
    let listed = |place: &Place| -> Vec<String> {
        let root = place.at("hf/hub");
        let all = tree(&root).into_iter().map(|p| p.replace(root.to_str().unwrap(), ""));
        // Python keeps lists of files besides.
        all.filter(|path| !path.contains("/trees/")).collect()
    };
    assert_eq!(listed(&place), listed(&other));
    for file in ["refs/main", &format!("snapshots/{COMMIT}/{LARGE}")] {
        let of = |place: &Place| fs::read(folder(place).join(file)).unwrap();
        assert!(of(&place) == of(&other), "{file}");
    }
    server.requests();
    let snapshot = folder(&place).join("snapshots").join(COMMIT);
    assert_eq!(python(&place, "1"), snapshot.to_str().unwrap());
    let mut command = server.command(&other, &["models", "pull", REPO]);
    let said = Said::from(command.env("HF_HUB_OFFLINE", "1").output().unwrap());
    assert_eq!(said.err.matches("kept").count(), 4, "{}", said.err);
    assert_eq!(server.requests(), [""; 0]);
}
