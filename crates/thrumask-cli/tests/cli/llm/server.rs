//! A server with OpenAI's interface for conversations, as far as one planner needs it, that answers
//! what the test tells it to, and misbehaves in every way that the tests ask for.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};

use crate::common::Place;

/// What the server does with one request.
pub enum Turn {
    /// Answers with this status and body.
    Answer(u16, Value),
    /// The same with more headers, each ended by a line break.
    With(u16, &'static str, Value),
    /// Answers with these bytes.
    Bytes(u16, Vec<u8>),
    /// Waits first.
    Late(Duration, Value),
    /// Sends one byte after the other, and never all.
    Drip,
    /// Sends half of the body and closes the connection.
    Half(Value),
    /// Closes the connection without a word.
    HangUp,
}

/// A request.
#[derive(Clone)]
pub struct Asked {
    /// Method and path.
    pub line: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Value,
}

impl Asked {
    /// The last message, which holds the caption or a complaint.
    pub fn last(&self) -> &str {
        let messages = self.body["messages"].as_array().unwrap();
        messages.last().unwrap()["content"].as_str().unwrap()
    }

    /// Whether it is the question for the motion prompt.
    pub fn is_motion(&self) -> bool {
        let system = self.body["messages"][0]["content"].as_str().unwrap();
        system.contains("{\"motion\"")
    }
}

/// A running server.
pub struct Server {
    port: u16,
    log: Arc<Mutex<Vec<Asked>>>,
}

type Handler = dyn Fn(&Asked, usize) -> Turn + Send + Sync;

impl Server {
    /// Starts one that does what `handler` says to each request and its number.
    pub fn start(handler: impl Fn(&Asked, usize) -> Turn + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (noted, handler): (_, Arc<Handler>) = (log.clone(), Arc::new(handler));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (noted, handler) = (noted.clone(), handler.clone());
                std::thread::spawn(move || {
                    // A client that goes away is part of the tests.
                    let _ = answer(stream, &noted, &*handler);
                });
            }
        });
        Self { port, log }
    }

    /// Starts one that takes these turns in order.
    pub fn script(turns: Vec<Turn>) -> Self {
        let turns = Mutex::new(turns.into_iter().map(Some).collect::<Vec<_>>());
        Self::start(move |_, i| {
            let turn = turns.lock().unwrap().get_mut(i).and_then(Option::take);
            turn.unwrap_or_else(|| Turn::Answer(418, json!({"error": "the script is over"})))
        })
    }

    /// Its address, as a person types it.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

/// The program, with nothing of our own environment that planners look at.
pub fn command(place: &Place, args: &[&str]) -> Command {
    let mut command = place.command(args);
    for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "THRUMASK_LLM_KEY", "NO_PROXY"] {
        command.env_remove(name);
    }
    // Nothing listens there: who asks a proxy for this machine gets no answer.
    for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    command.env("THRUMASK_CACHE", place.at("cache"));
    command
}

/// A completion as servers write it, with the fields that ours does not look at.
pub fn completion(text: &str, finish: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_764_000_000, "model": "tiny",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "logprobs": null, "finish_reason": finish,
        }],
        "usage": {"prompt_tokens": 900, "completion_tokens": 40, "total_tokens": 940},
    })
}

/// A whole answer.
pub fn says(text: &str) -> Turn {
    Turn::Answer(200, completion(text, "stop"))
}

fn answer(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    handler: &Handler,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = first.rsplit_once(' ').map(|(line, _)| line.to_owned()).unwrap_or_default();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { line, headers, body };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let mut write = |status: u16, more: &str, body: &[u8], length: usize| {
        let head = "connection: close\r\ncontent-type: application/json\r\n";
        write!(stream, "HTTP/1.1 {status} X\r\n{head}{more}content-length: {length}\r\n\r\n")?;
        stream.write_all(body)
    };
    match handler(&asked, number) {
        Turn::Answer(status, body) => {
            let body = body.to_string();
            write(status, "", body.as_bytes(), body.len())
        }
        Turn::With(status, more, body) => {
            let body = body.to_string();
            write(status, more, body.as_bytes(), body.len())
        }
        Turn::Bytes(status, body) => write(status, "", &body, body.len()),
        Turn::Late(pause, body) => {
            std::thread::sleep(pause);
            let body = body.to_string();
            write(200, "", body.as_bytes(), body.len())
        }
        Turn::Drip => {
            write(200, "", b"{", 1 << 20)?;
            loop {
                std::thread::sleep(Duration::from_millis(50));
                stream.write_all(b" ")?;
            }
        }
        Turn::Half(body) => {
            let body = body.to_string();
            write(200, "", &body.as_bytes()[..body.len() / 2], body.len())
        }
        Turn::HangUp => Ok(()),
    }
}
