//! A proxy before the queues that does to some calls what networks and AWS do: throttles, breaks, drops, delays,
//! stalls, refuses. It keeps what the queues said they took, whoever got to hear of it.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Error, ErrorKind, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How many of 10,000 calls have which fate.
#[derive(Clone, Copy, Default)]
pub(crate) struct Odds {
    pub(crate) throttled: u64,
    /// Answered with a 5xx.
    pub(crate) broken: u64,
    /// Never answered; half of them are carried out.
    pub(crate) dropped: u64,
    /// Answered up to a tenth of a second later, so that others overtake them.
    pub(crate) delayed: u64,
}

/// What is done to every call.
#[derive(Clone, Copy)]
pub(crate) enum Mood {
    /// Nothing but what the odds say.
    Fair,
    /// It is not answered, nor carried out, for as long as this lasts.
    Stalls,
    /// It is refused, with what this makes of the head of its request.
    Refuses(fn(&str) -> Value),
    /// The proxy is gone.
    Gone,
}

/// How often what was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) calls: u64,
    pub(crate) throttled: u64,
    pub(crate) broken: u64,
    pub(crate) dropped_before: u64,
    pub(crate) dropped_after: u64,
    pub(crate) delayed: u64,
}

struct State {
    odds: Odds,
    draws: u64,
    mood: Mood,
    counts: Counts,
    /// Ids of the messages that the queues took.
    taken: BTreeSet<String>,
}

/// The proxy, until it is dropped.
pub(crate) struct Faulty {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Faulty {
    /// Stands before `upstream`.
    pub(crate) fn before(upstream: &str, odds: Odds, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            State { odds, draws: seed, mood: Mood::Fair, counts: Counts::default(), taken: BTreeSet::new() };
        let state = Arc::new(Mutex::new(state));
        let (shared, upstream) = (Arc::clone(&state), upstream.trim_start_matches("http://").to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (state, upstream) = (Arc::clone(&shared), upstream.clone());
                // A client that goes away is no concern of the proxy.
                std::thread::spawn(move || _ = pass(&client.unwrap(), &upstream, &state));
            }
        });
        Self { url, state }
    }

    pub(crate) fn turn(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state.lock().unwrap().counts
    }

    /// Ids of the messages that the queues took so far.
    pub(crate) fn taken(&self) -> BTreeSet<String> {
        self.state.lock().unwrap().taken.clone()
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.turn(Mood::Gone);
    }
}

/// What is to become of a call.
enum Fate {
    Passes,
    Answered(u16, Value),
    DroppedBefore,
    DroppedAfter,
    Delayed(Duration),
}

impl State {
    /// SplitMix64.
    fn draw(&mut self, below: u64) -> u64 {
        self.draws = self.draws.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.draws ^ (self.draws >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below
    }

    fn fate(&mut self) -> Fate {
        let Odds { throttled, broken, dropped, delayed } = self.odds;
        self.counts.calls += 1;
        let (draw, half) = (self.draw(10_000), self.draw(2) == 0);
        if draw < throttled {
            self.counts.throttled += 1;
            // SQS has both words for it.
            return match half {
                true => Fate::Answered(
                    400,
                    json!({"__type": "com.amazonaws.sqs#RequestThrottled", "message": "Slow down."}),
                ),
                false => {
                    Fate::Answered(503, json!({"__type": "ThrottlingException", "message": "Rate exceeded"}))
                }
            };
        }
        if draw < throttled + broken {
            self.counts.broken += 1;
            let kind = json!({"__type": "com.amazon.coral.service#InternalFailure", "message": "Oops."});
            // What stands before a service answers in words of its own.
            return if half { Fate::Answered(500, kind) } else { Fate::Answered(502, Value::Null) };
        }
        if draw < throttled + broken + dropped {
            let (count, fate) = match half {
                true => (&mut self.counts.dropped_before, Fate::DroppedBefore),
                false => (&mut self.counts.dropped_after, Fate::DroppedAfter),
            };
            *count += 1;
            return fate;
        }
        if draw < throttled + broken + dropped + delayed {
            self.counts.delayed += 1;
            return Fate::Delayed(Duration::from_millis(self.draw(100)));
        }
        Fate::Passes
    }
}

/// Passes the calls of one connection on, one after the other.
fn pass(client: &TcpStream, upstream: &str, state: &Mutex<State>) -> Result<()> {
    let server = TcpStream::connect(upstream)?;
    for stream in [client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut calls, mut answers) = (BufReader::new(client), BufReader::new(&server));
    loop {
        let call = Message::read(&mut calls)?;
        let mut fate = match mood(state) {
            Mood::Refuses(with) => Fate::Answered(400, with(&call.head)),
            Mood::Gone => return Ok(()),
            Mood::Fair | Mood::Stalls => state.lock().unwrap().fate(),
        };
        if let Fate::Answered(status, body) = fate {
            answer(client, status, &body)?;
            continue;
        }
        if matches!(fate, Fate::DroppedBefore) {
            return Ok(());
        }
        call.write(&server)?;
        let answer = Message::read(&mut answers)?;
        if call.head.to_ascii_lowercase().contains("amazonsqs.sendmessagebatch") {
            state.lock().unwrap().taken.extend(answer.ids());
        }
        if let Fate::Delayed(time) = &mut fate {
            std::thread::sleep(*time);
        }
        if matches!(fate, Fate::DroppedAfter) {
            return Ok(());
        }
        answer.write(client)?;
    }
}

/// The mood, once it is not to stall.
fn mood(state: &Mutex<State>) -> Mood {
    loop {
        let mood = state.lock().unwrap().mood;
        if !matches!(mood, Mood::Stalls) {
            return mood;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn answer(mut client: &TcpStream, status: u16, body: &Value) -> Result<()> {
    let body = if body.is_null() { "<html>Bad Gateway</html>".to_owned() } else { body.to_string() };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.write_all((head + &body).as_bytes())
}

/// A request or an answer as it came.
struct Message {
    head: String,
    body: Vec<u8>,
}

impl Message {
    fn read(from: &mut impl BufRead) -> Result<Self> {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let begins = head.len();
            if from.read_line(&mut head)? == 0 {
                return Err(Error::from(ErrorKind::UnexpectedEof));
            }
            let line = head[begins..].trim();
            if line.is_empty() {
                break;
            }
            let (key, value) = line.split_once(':').unwrap_or_default();
            if key.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
            assert!(!key.eq_ignore_ascii_case("transfer-encoding"), "nobody here sends in chunks: {head}");
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Self { head, body })
    }

    fn write(&self, mut to: &TcpStream) -> Result<()> {
        to.write_all(&[self.head.as_bytes(), &self.body].concat())
    }

    /// Ids of the messages that the answer to a SendMessageBatch says were taken.
    fn ids(&self) -> Vec<String> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let taken = body["Successful"].as_array().into_iter().flatten();
        taken.filter_map(|entry| Some(entry["MessageId"].as_str()?.to_owned())).collect()
    }
}
