//! Servers that are busy, slow, broken or away.

use std::{
    net::TcpListener,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    MOTION, OBJECTS, Run, args,
    server::{Server, Turn, command, completion, says},
};
use crate::common::{Place, Said};

fn busy(status: u16) -> Turn {
    Turn::Answer(status, json!({"error": {"message": "overloaded"}}))
}

#[test]
fn a_busy_server_is_asked_again() {
    let wait = "retry-after: 2\r\n";
    let server = Server::script(vec![
        Turn::With(429, wait, json!({"error": "slow down"})),
        says(OBJECTS),
        busy(500),
        busy(503),
        says(MOTION),
    ]);
    let run = Run::of(&server, &[]);
    run.is_of_model();
    assert_eq!(server.asked().len(), 5);
    // Two seconds as asked for, then half a second and a second.
    assert!(run.took >= Duration::from_millis(3500), "{:?}", run.took);
}

#[test]
fn a_broken_server_is_given_up() {
    for status in [429, 500] {
        let server = Server::script(vec![busy(status), busy(status), busy(status)]);
        let run = Run::of(&server, &["--llm-attempts", "2"]);
        run.is_of_rules(&format!(
            "the server answered {status}: overloaded: given up after 2 attempts"
        ));
        assert_eq!(server.asked().len(), 2);
    }
    // Nobody waits an hour.
    let later = Turn::With(429, "retry-after: 3600\r\n", json!({"error": "quota"}));
    let server = Server::script(vec![later]);
    let run = Run::of(&server, &[]);
    run.is_of_rules("quota: and asks to wait 3600 s");
    assert!(run.took < Duration::from_secs(10), "{:?}", run.took);
}

#[test]
fn nobody_answers() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = Run::at(&format!("http://127.0.0.1:{port}/v1"), &["--llm-attempts", "2"]);
    run.is_of_rules("given up after 2 attempts");
    let server = Server::script(vec![Turn::HangUp, Turn::HangUp]);
    Run::of(&server, &["--llm-attempts", "2"]).is_of_rules("given up after 2 attempts");
    let whole = completion(OBJECTS, "stop");
    let server = Server::script(vec![Turn::Half(whole), Turn::HangUp, says(OBJECTS), says(MOTION)]);
    Run::of(&server, &[]).is_of_model();
}

#[test]
fn a_slow_server_is_not_waited_for() {
    let late = || Turn::Late(Duration::from_secs(20), completion(OBJECTS, "stop"));
    for turns in [vec![late(), late()], vec![Turn::Drip, Turn::Drip]] {
        let server = Server::script(turns);
        let run = Run::of(&server, &["--llm-attempts", "2", "--llm-timeout", "0.5"]);
        run.is_of_rules("no answer within 500ms: given up after 2 attempts");
        assert!(server.asked().len() == 2 && run.took < Duration::from_secs(12), "{:?}", run.took);
    }
}

#[test]
fn answers_in_no_form_that_is_known() {
    let page = b"<html>It works!</html>".to_vec();
    let refusal = json!({"choices": [{"message": {"refusal": "I must not."}}]});
    for (turn, words) in [
        (Turn::Bytes(200, page.clone()), "expected an answer in OpenAI's form, got no JSON"),
        (Turn::Bytes(200, vec![0xff; 100]), "got no JSON"),
        (Turn::Bytes(200, vec![b' '; 2 << 20]), "expected at most 1048576 bytes, got more"),
        (Turn::Answer(200, json!({"choices": []})), "got none of \"choices\""),
        (Turn::Answer(200, json!([])), "got none of \"choices\""),
        (Turn::Answer(200, json!({"choices": [{"message": {"content": 5}}]})), "got no text"),
        (Turn::Answer(200, refusal), "it refuses to answer: I must not."),
        (
            Turn::Bytes(404, page),
            "there is no such address (it should end in /v1), or no such model",
        ),
        (Turn::Answer(403, json!({"error": "no"})), "it needs a key: set THRUMASK_LLM_KEY: no"),
        (Turn::Answer(418, json!({"error": "\u{1b}[31mtea\npot"})), "answered 418: [31mtea pot"),
    ] {
        let server = Server::script(vec![turn]);
        Run::of(&server, &[]).is_of_rules(words);
        assert_eq!(server.asked().len(), 1, "{words}");
    }
    // Nothing is sent to where it leads.
    let other = Server::script(vec![says(OBJECTS)]);
    let to: &'static str = Box::leak(format!("location: {}\r\n", other.url()).into_boxed_str());
    let server = Server::script(vec![Turn::With(307, to, json!({}))]);
    Run::of(&server, &[]).is_of_rules("it leads elsewhere");
    assert!(other.asked().is_empty());
    // The content may come in parts.
    let parts =
        json!([{"type": "text", "text": &OBJECTS[..50]}, {"type": "text", "text": &OBJECTS[50..]}]);
    let parts = json!({"choices": [{"message": {"content": parts}}]});
    let server = Server::script(vec![Turn::Answer(200, parts), says(MOTION)]);
    Run::of(&server, &[]).is_of_model();
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_wait() {
    let late = Turn::Late(Duration::from_secs(60), completion(OBJECTS, "stop"));
    let busy = Turn::With(429, "retry-after: 50\r\n", json!({}));
    for turn in [late, busy] {
        let server = Server::script(vec![turn]);
        let (place, url) = (Place::new(), server.url());
        let mut command = command(&place, &args(&url, &[]));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while server.asked().is_empty() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        let sent =
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let said = Said::from(child.wait_with_output().unwrap());
        assert_eq!(said.code, Some(130), "{}", said.err);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(!place.at("a.run/plan.json").exists());
    }
}
