//! An endpoint and a client that speaks plain HTTP.

use local::queues::{Queues, SharedQueue};
use local::server::{Endpoint, NoMetrics};
use model::scenario::Parameters;
use model::time::Origin;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A running endpoint.
pub(crate) struct Lab {
    pub(crate) endpoint: Endpoint,
}

/// A kept connection.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// By name in small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Lab {
    /// With one server, so that short polls see everything, and in order.
    pub(crate) fn new() -> Self {
        Self::with(Parameters { sqs_shards: 1, sqs_duplicate_probability: 0.0, ..Parameters::default() })
    }

    /// Ten seconds after the start of its run.
    pub(crate) fn with(beliefs: Parameters) -> Self {
        let instant = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        let origin = Origin { instant, utc: SystemTime::now() - Duration::from_secs(10) };
        let queues = Arc::new(Queues::new(origin, "eu-west-1", beliefs));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { endpoint: Endpoint::start(address, queues, Arc::new(NoMetrics), 2).unwrap() }
    }

    pub(crate) fn client(&self) -> Client {
        let stream = TcpStream::connect(self.endpoint.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.set_nodelay(true).unwrap();
        Client { reader: BufReader::new(stream) }
    }

    pub(crate) fn queue(&self, name: &str) -> Arc<SharedQueue> {
        self.endpoint.queues().get(name).unwrap()
    }

    /// One call on a connection of its own, which must succeed.
    pub(crate) fn ok(&self, action: &str, body: Value) -> Value {
        self.client().ok(action, body)
    }

    /// Creates a queue; returns its URL.
    pub(crate) fn create(&self, name: &str, attributes: Value) -> String {
        let answer = self.ok("CreateQueue", json!({"QueueName": name, "Attributes": attributes}));
        answer["QueueUrl"].as_str().unwrap().to_owned()
    }

    pub(crate) fn send(&self, url: &str, body: &str) -> Value {
        self.ok("SendMessage", json!({"QueueUrl": url, "MessageBody": body}))
    }

    /// Receives up to ten messages at once, with everything that can be asked for.
    pub(crate) fn receive(&self, url: &str) -> Vec<Value> {
        let answer = self.ok(
            "ReceiveMessage",
            json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "MessageSystemAttributeNames": ["All"],
                   "MessageAttributeNames": ["All"]}),
        );
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    pub(crate) fn attribute(&self, url: &str, name: &str) -> Value {
        let answer = self.ok("GetQueueAttributes", json!({"QueueUrl": url, "AttributeNames": [name]}));
        answer["Attributes"][name].clone()
    }
}

impl Client {
    pub(crate) fn call(&mut self, action: &str, body: &str) -> Answer {
        self.write(&request(&format!("X-Amz-Target: AmazonSQS.{action}\r\n"), body));
        self.read()
    }

    pub(crate) fn ok(&mut self, action: &str, body: Value) -> Value {
        let answer = self.call(action, &body.to_string());
        assert_eq!(answer.status, 200, "{action}: {}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    pub(crate) fn read(&mut self) -> Answer {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        let status = line.split(' ').nth(1).expect(&line).parse().unwrap();
        let mut headers = Vec::new();
        loop {
            line.clear();
            self.reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let mut answer = Answer { status, headers, text: String::new() };
        let mut body = vec![0; answer.header("content-length").unwrap().parse().unwrap()];
        self.reader.read_exact(&mut body).unwrap();
        answer.text = String::from_utf8(body).unwrap();
        answer
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
}

/// A POST to the root; `headers` end with a line break each.
pub(crate) fn request(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
