//! Requests that can be stopped at any moment and notice when nothing comes any more.
//!
//! A request runs on a thread of its own and hands over what arrives; who waits for it looks up every
//! tenth of a second.

use std::{
    io::Read,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use crate::{Error, Result};

/// How often somebody who waits is asked whether to go on.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How long a connection may take, and how long nothing may arrive.
const CONNECT: Duration = Duration::from_secs(20);
const STALL: Duration = Duration::from_secs(60);
/// Bytes handed over at once.
const PIECE: usize = 1 << 18;
/// How many redirections are followed.
const MAX_REDIRECTS: usize = 8;

/// What went wrong with a request.
pub(crate) enum Trouble {
    /// It may go better the next time, after a while that the server may have named.
    Later(String, Option<Duration>),
    /// It will not.
    Final(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// `Result` with [`Trouble`].
pub(crate) type Tried<T> = std::result::Result<T, Trouble>;

/// Asked while waiting; an error ends the wait.
pub(crate) type Tick<'a> = &'a mut dyn FnMut() -> Result<()>;

/// What is asked of a server.
#[derive(Clone, Default)]
pub(crate) struct Request {
    pub url: String,
    /// Only the headers.
    pub head: bool,
    /// JSON that is sent; such a request follows no redirection.
    pub body: Option<Vec<u8>>,
    /// How long all of it may take; without a limit, only how long nothing may arrive.
    pub limit: Option<Duration>,
    /// Sent to the first server only, never where it redirects to.
    pub token: Option<String>,
    /// The first byte that is wanted.
    pub from: u64,
}

enum Message {
    Headers(u16, Vec<(String, String)>),
    Piece(Vec<u8>),
    End,
    Failed(String),
}

/// Sends requests.
pub(crate) struct Client {
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self::of(ureq::Agent::config_builder())
    }

    /// One for an address: what lies on this machine is asked without the environment's proxy.
    pub(crate) fn for_address(url: &str) -> Self {
        let builder = ureq::Agent::config_builder();
        let host = origin(url).split("://").last().unwrap_or_default();
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let here = host == "localhost" || host.starts_with("127.") || host == "[::1]";
        Self::of(if here { builder.proxy(None) } else { builder })
    }

    fn of(builder: ureq::config::ConfigBuilder<ureq::typestate::AgentScope>) -> Self {
        let config = builder
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .user_agent(concat!("thrumask/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: ureq::Agent::new_with_config(config) }
    }

    /// Sends a request, follows redirections, and waits for the headers. A request for headers alone
    /// follows only those that stay with the server: the others lead to the contents.
    pub(crate) fn send(&self, mut request: Request, tick: Tick<'_>) -> Tried<Response> {
        for _ in 0..MAX_REDIRECTS {
            let response = self.once(&request, tick)?;
            let leads = response.is_redirect() && request.body.is_none();
            let Some(location) = response.header("location").filter(|_| leads) else {
                return Ok(response);
            };
            let url = joined(&request.url, location);
            let stays = origin(&url) == origin(&request.url);
            if request.head && !stays {
                return Ok(response);
            }
            if !stays {
                request.token = None;
            }
            request.url = url;
        }
        Err(Error::hub(request.url, "redirected in a circle").into())
    }

    fn once(&self, request: &Request, tick: Tick<'_>) -> Tried<Response> {
        // Few pieces wait: a slow disk slows the download, it does not fill the memory.
        let (sender, receiver) = sync_channel(4);
        let (agent, asked) = (self.agent.clone(), request.clone());
        std::thread::spawn(move || {
            if let Err(reason) = perform(&agent, &asked, &sender) {
                let _ = sender.send(Message::Failed(reason));
            }
        });
        let limit = request.limit.map(|limit| (Instant::now() + limit, limit));
        let (url, headers) = (request.url.clone(), Vec::new());
        let mut response = Response { url, status: 0, headers, limit, receiver };
        match response.next(tick)? {
            Message::Headers(status, headers) => {
                (response.status, response.headers) = (status, headers);
                Ok(response)
            }
            _ => Err(Trouble::Later(format!("{} gave no answer", response.url), None)),
        }
    }
}

/// Does a request, on its thread. An error is a sentence; nobody may listen any more.
fn perform(
    agent: &ureq::Agent,
    request: &Request,
    sender: &SyncSender<Message>,
) -> std::result::Result<(), String> {
    // Compressed, a file would have another length.
    let mut headers = vec![("accept-encoding", "identity".to_owned())];
    headers.extend(request.token.iter().map(|t| ("authorization", format!("Bearer {t}"))));
    if request.from > 0 {
        headers.push(("range", format!("bytes={}-", request.from)));
    }
    let response = match &request.body {
        Some(body) => {
            headers.push(("content-type", "application/json".to_owned()));
            let call = headers.iter().fold(agent.post(&request.url), |c, (k, v)| c.header(*k, v));
            // Somewhat longer than who waits for it, who has the better words.
            let limit = request.limit.map(|limit| limit + Duration::from_secs(1));
            call.config().timeout_global(limit).build().send(&body[..])
        }
        None if request.head => {
            headers.iter().fold(agent.head(&request.url), |c, (k, v)| c.header(*k, v)).call()
        }
        None => headers.iter().fold(agent.get(&request.url), |c, (k, v)| c.header(*k, v)).call(),
    };
    let response = response.map_err(|e| e.to_string())?;
    let text = |v: &ureq::http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
    let headers = response.headers().iter().map(|(k, v)| (k.as_str().to_owned(), text(v)));
    let gone = |_| "nobody waits any more".to_owned();
    let message = Message::Headers(response.status().as_u16(), headers.collect());
    sender.send(message).map_err(gone)?;
    let mut body = response.into_body().into_reader();
    loop {
        let mut piece = vec![0; PIECE];
        let read = body.read(&mut piece).map_err(|e| e.to_string())?;
        if read == 0 {
            return sender.send(Message::End).map_err(gone);
        }
        piece.truncate(read);
        sender.send(Message::Piece(piece)).map_err(gone)?;
    }
}

/// An answer whose contents are still coming.
pub(crate) struct Response {
    pub url: String,
    pub status: u16,
    headers: Vec<(String, String)>,
    /// When it must be complete, and how long that was from the start.
    limit: Option<(Instant, Duration)>,
    receiver: Receiver<Message>,
}

impl Response {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }

    /// The next piece of the contents; none at the end.
    pub(crate) fn piece(&mut self, tick: Tick<'_>) -> Tried<Option<Vec<u8>>> {
        match self.next(tick)? {
            Message::Piece(piece) => Ok(Some(piece)),
            _ => Ok(None),
        }
    }

    /// All contents, of at most `most` bytes.
    pub(crate) fn contents(&mut self, most: usize, tick: Tick<'_>) -> Tried<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(piece) = self.piece(tick)? {
            all.extend(piece);
            if all.len() > most {
                let reason = format!("expected at most {most} bytes, got more");
                return Err(Error::hub(&self.url, reason).into());
            }
        }
        Ok(all)
    }

    fn next(&mut self, tick: Tick<'_>) -> Tried<Message> {
        let since = Instant::now();
        loop {
            if let Some((end, limit)) = self.limit
                && Instant::now() >= end
            {
                let reason = format!("{}: no answer within {limit:?}", self.url);
                return Err(Trouble::Later(reason, None));
            }
            match self.receiver.recv_timeout(LOOK_UP) {
                Ok(Message::Failed(reason)) => {
                    return Err(Trouble::Later(format!("{}: {reason}", self.url), None));
                }
                Ok(message) => {
                    tick()?;
                    return Ok(message);
                }
                Err(RecvTimeoutError::Timeout)
                    if self.limit.is_some() || since.elapsed() < STALL =>
                {
                    tick()?
                }
                Err(RecvTimeoutError::Timeout) => {
                    let seconds = STALL.as_secs();
                    let reason = format!("{}: nothing came for {seconds} s", self.url);
                    return Err(Trouble::Later(reason, None));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Trouble::Later(format!("{}: the request ended", self.url), None));
                }
            }
        }
    }
}

/// How often something is tried, how long the first pause is (each one is twice the last), and the
/// longest pause that a server may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub attempts: u32,
    pub first: Duration,
    pub longest: Duration,
}

/// Does something until it goes well or cannot.
pub(crate) fn with_retries<T>(
    patience: Patience,
    tick: Tick<'_>,
    mut attempt: impl FnMut(Tick<'_>) -> Tried<T>,
) -> Result<T> {
    let Patience { attempts, first: mut pause, longest } = patience;
    for left in (0..attempts).rev() {
        match attempt(tick) {
            Ok(value) => return Ok(value),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Later(reason, _)) if left == 0 => {
                return Err(Error::hub(reason, format!("given up after {attempts} attempts")));
            }
            Err(Trouble::Later(_, asked)) => {
                let (since, wait) = (Instant::now(), asked.unwrap_or(pause).min(longest));
                while since.elapsed() < wait {
                    tick()?;
                    std::thread::sleep(Duration::from_millis(50).min(wait));
                }
                pause *= 2;
            }
        }
    }
    Err(Error::hub("the server", "no attempt was made"))
}

/// Scheme, host and port of an address.
pub(crate) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    &url[..end]
}

/// Where a redirection from `url` leads.
fn joined(url: &str, location: &str) -> String {
    if location.contains("://") {
        return location.to_owned();
    }
    if let Some(rest) = location.strip_prefix("//") {
        let scheme = url.split("://").next().unwrap_or("https");
        return format!("{scheme}://{rest}");
    }
    match location.starts_with('/') {
        true => format!("{}{location}", origin(url)),
        false => {
            let folder = url.rfind('/').filter(|&at| at > origin(url).len() - 1);
            format!("{}/{location}", &url[..folder.unwrap_or(url.len())])
        }
    }
}

/// A path in an address: all but letters, digits and `-._~/` by their bytes.
pub(crate) fn encoded(path: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/".contains(&b);
    let one = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    path.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_joined() {
        let from = "https://hub.example/a/resolve/main/x";
        assert_eq!(joined(from, "https://cdn.example/y?z"), "https://cdn.example/y?z");
        assert_eq!(joined(from, "//cdn.example/y"), "https://cdn.example/y");
        assert_eq!(joined(from, "/b/y"), "https://hub.example/b/y");
        assert_eq!(joined(from, "y"), "https://hub.example/a/resolve/main/y");
        assert_eq!(joined("https://hub.example", "y"), "https://hub.example/y");
        assert_eq!(origin("http://127.0.0.1:80/x//y"), "http://127.0.0.1:80");
        assert_eq!(encoded("a b/ü#1.bin"), "a%20b/%C3%BC%231.bin");
    }
}
