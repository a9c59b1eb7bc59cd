//! A hub of one repository, as far as downloads need it: a list, files by commit, large ones behind a
//! redirection to another origin, ranges, and every fault that the tests ask for.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use thrumask::hub::{Checksum, checksum};

use crate::common::Place;

pub const REPO: &str = "org/tiny";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the server does wrong, or slowly.
#[derive(Default)]
pub struct Faults {
    /// How many requests are answered by 503 first.
    pub busy: usize,
    /// After how many bytes the next downloads of a large file end.
    pub cuts: Vec<usize>,
    /// Large files come with one byte changed.
    pub corrupt: bool,
    /// Ranges are not known.
    pub no_ranges: bool,
    /// The token that is needed.
    pub token: Option<String>,
    /// Pause after each 64 kB of a large file.
    pub pause: Duration,
    /// A name that is listed as well.
    pub listed: Option<String>,
}

/// A file of the repository.
struct Stored {
    bytes: Vec<u8>,
    etag: String,
    large: bool,
}

/// A running server.
pub struct Server {
    port: u16,
    files: Arc<BTreeMap<String, Stored>>,
    pub faults: Arc<Mutex<Faults>>,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts with these files; those of 1000 bytes and more are large ones.
    pub fn start(place: &Place, files: &[(&str, Vec<u8>)]) -> Self {
        let stored = files.iter().map(|(name, bytes)| {
            let large = bytes.len() >= 1000;
            place.write("to-hash", bytes);
            let kind = if large { Checksum::Sha256 } else { Checksum::Git };
            let etag = checksum(&place.at("to-hash"), kind, &mut |_| Ok(())).unwrap();
            (name.to_string(), Stored { bytes: bytes.clone(), etag, large })
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            files: Arc::new(stored.collect()),
            faults: Arc::default(),
            log: Arc::default(),
        };
        fs::remove_file(place.at("to-hash")).unwrap();
        let (port, files) = (server.port, server.files.clone());
        let (faults, log) = (server.faults.clone(), server.log.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (files, faults, log) = (files.clone(), faults.clone(), log.clone());
                std::thread::spawn(move || {
                    // A client that goes away is part of the tests.
                    let _ =
                        Exchange { port, files: &files, faults: &faults, log: &log }.answer(stream);
                });
            }
        });
        server
    }

    /// The program, with this hub and a cache in the place.
    pub fn command(&self, place: &Place, args: &[&str]) -> Command {
        let mut command = place.command(args);
        for name in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
        {
            command.env_remove(name);
        }
        for name in ["HF_TOKEN_PATH", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.env("HF_ENDPOINT", self.endpoint());
        command.env("HF_HOME", place.at("hf"));
        command
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What a blob is called.
    pub fn etag(&self, file: &str) -> &str {
        &self.files[file].etag
    }

    /// The requests since the last time: method, path, and a range or token if there was one.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

struct Exchange<'a> {
    port: u16,
    files: &'a BTreeMap<String, Stored>,
    faults: &'a Mutex<Faults>,
    log: &'a Mutex<Vec<String>>,
}

impl Exchange<'_> {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let mut headers = BTreeMap::new();
        for line in lines {
            let line = line?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let mut noted = format!("{method} {path}");
        for name in ["range", "authorization"] {
            if let Some(value) = headers.get(name) {
                noted.push_str(&format!(" {value}"));
            }
        }
        self.log.lock().unwrap().push(noted);
        let plain = |status: &str, more: &str| {
            format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\n{more}\r\n")
        };
        let mut faults = self.faults.lock().unwrap();
        if faults.busy > 0 {
            faults.busy -= 1;
            return stream.write_all(plain("503 Busy", "").as_bytes());
        }
        let bearer = faults.token.as_ref().map(|token| format!("Bearer {token}"));
        if bearer.is_some()
            && !path.starts_with("/cdn/")
            && headers.get("authorization") != bearer.as_ref()
        {
            return stream.write_all(plain("401 Unauthorized", "").as_bytes());
        }
        let listing = format!("/api/models/{REPO}/revision/");
        if let Some(revision) = path.strip_prefix(&listing) {
            if !["main", "v1", "refs%2Fpr%2F1", COMMIT].contains(&revision) {
                let more = "x-error-code: RevisionNotFound\r\n";
                return stream.write_all(plain("404 Not Found", more).as_bytes());
            }
            let names = self.files.keys().chain(&faults.listed);
            let names: Vec<_> = names.map(|name| serde_json::json!({"rfilename": name})).collect();
            return json(stream, serde_json::json!({"id": REPO, "sha": COMMIT, "siblings": names}));
        }
        // The same as Python's library asks for it.
        if path.starts_with(&format!("/api/models/{REPO}/tree/{COMMIT}")) {
            let entries = self.files.iter().map(|(name, stored)| {
                let size = stored.bytes.len();
                let mut entry = serde_json::json!({"type": "file", "path": name, "size": size});
                entry["oid"] = stored.etag[..40].into();
                if stored.large {
                    entry["lfs"] =
                        serde_json::json!({"oid": stored.etag, "size": size, "pointerSize": 1});
                }
                entry
            });
            return json(stream, entries.collect::<Vec<_>>().into());
        }
        let is_head = method == "HEAD";
        if let Some(file) = path.strip_prefix(&format!("/{REPO}/resolve/{COMMIT}/")) {
            let Some(stored) = self.files.get(&file.replace("%20", " ")) else {
                let more = "x-error-code: EntryNotFound\r\n";
                return stream.write_all(plain("404 Not Found", more).as_bytes());
            };
            let (etag, length) = (&stored.etag, stored.bytes.len());
            let common = format!("connection: close\r\nx-repo-commit: {COMMIT}\r\n");
            if stored.large {
                let linked = format!("x-linked-etag: \"{etag}\"\r\nx-linked-size: {length}\r\n");
                let to = format!("location: http://localhost:{}/cdn/{etag}?s=1\r\n", self.port);
                let other = "etag: \"other\"\r\ncontent-length: 0\r\n";
                return write!(stream, "HTTP/1.1 302 Found\r\n{common}{linked}{to}{other}\r\n");
            }
            let own = format!("etag: \"{etag}\"\r\ncontent-length: {length}\r\n");
            write!(stream, "HTTP/1.1 200 OK\r\n{common}{own}\r\n")?;
            return if is_head { Ok(()) } else { stream.write_all(&stored.bytes) };
        }
        let wanted = path.strip_prefix("/cdn/").and_then(|rest| rest.split('?').next());
        let stored = self.files.values().find(|f| Some(f.etag.as_str()) == wanted && f.large);
        let Some(stored) = stored else {
            return stream.write_all(plain("404 Not Found", "").as_bytes());
        };
        let mut bytes = stored.bytes.clone();
        if faults.corrupt {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        }
        let total = bytes.len();
        let range = headers.get("range").filter(|_| !faults.no_ranges);
        let from = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let (cut, pause) = (faults.cuts.pop(), faults.pause);
        drop(faults);
        let body = &bytes[from.unwrap_or(0)..];
        let (status, more) = match from {
            Some(from) => {
                let last = total - 1;
                ("206 Partial Content", format!("content-range: bytes {from}-{last}/{total}\r\n"))
            }
            None => ("200 OK", String::new()),
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n"
        )?;
        for piece in body[..cut.unwrap_or(length).min(length)].chunks(1 << 16) {
            stream.write_all(piece)?;
            std::thread::sleep(pause);
        }
        Ok(())
    }
}

/// Answers in JSON.
fn json(mut stream: TcpStream, body: serde_json::Value) -> std::io::Result<()> {
    let body = body.to_string();
    let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len())
}
