//! An AWS for tests: queues and metrics by our own endpoint, workers that are real processes, and what no server here
//! serves (late logs and pages, tasks, scaling activities) by a few lines in the shapes of the AWS API model.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A secret that must not be found anywhere afterwards.
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYplantedKEY";

/// What the scripted services know, and how they behave.
#[derive(Default)]
pub(crate) struct Script {
    /// Lines of each log group: when they came, when they were printed (UTC milliseconds), and what they say.
    pub(crate) logs: BTreeMap<String, Vec<(u64, u64, String)>>,
    /// Logs are to be found so many milliseconds after they were printed.
    pub(crate) log_delay_ms: u64,
    /// ECS tasks by ARN.
    pub(crate) tasks: BTreeMap<String, Value>,
    /// Scaling activities, the newest first.
    pub(crate) scaling: Vec<Value>,
    /// Lambda's answers, by path.
    pub(crate) functions: BTreeMap<String, Value>,
    /// An error for each call of an action whose name ends so.
    pub(crate) refuse: Option<(&'static str, &'static str)>,
    /// Everything that was asked.
    pub(crate) asked: Vec<String>,
    /// Events of a page, if not [`PAGE`].
    pub(crate) page: Option<usize>,
}

/// Events of a page: fewer than AWS's, for pages to turn.
const PAGE: usize = 50;

impl Script {
    fn answer(&mut self, action: &str, body: &Value) -> (u16, Value) {
        self.asked.push(action.to_owned());
        if let Some((end, code)) = self.refuse
            && action.ends_with(end)
        {
            return (400, json!({"__type": code, "message": "as the test wants"}));
        }
        let name = action.rsplit('.').next().unwrap_or_default();
        match name {
            "FilterLogEvents" => self.log_page(body),
            "ListTasks" => {
                let stopped = body["desiredStatus"] == "STOPPED";
                let is_stopped = |task: &&Value| task["lastStatus"] == "STOPPED";
                let all = self.tasks.values().filter(|task| is_stopped(task) == stopped);
                (200, json!({"taskArns": all.map(|task| task["taskArn"].clone()).collect::<Vec<_>>()}))
            }
            "DescribeTasks" => {
                let arns = body["tasks"].as_array().unwrap().iter();
                let found = arns.filter_map(|arn| self.tasks.get(arn.as_str().unwrap()));
                (200, json!({"tasks": found.collect::<Vec<_>>(), "failures": []}))
            }
            "DescribeServices" => {
                let running = self.tasks.values().filter(|task| task["lastStatus"] == "RUNNING").count();
                (200, json!({"services": [{"desiredCount": 2, "runningCount": running, "pendingCount": 0}]}))
            }
            "DescribeScalingActivities" => (200, json!({"ScalingActivities": self.scaling})),
            "DescribeScalingPolicies" => {
                let alarm = |name: &str| json!({"AlarmName": name, "AlarmARN": "arn:aws:cloudwatch:::a"});
                let policy = json!({"PolicyARN": "arn:p", "PolicyName": "p", "ServiceNamespace": "ecs",
                    "ResourceId": "service/blue/worker", "ScalableDimension": "ecs:service:DesiredCount",
                    "PolicyType": "StepScaling", "CreationTime": 1.0, "Alarms": [alarm("high"), alarm("low")]});
                (200, json!({"ScalingPolicies": [policy]}))
            }
            path => match self.functions.get(path.split('?').next().unwrap_or_default()) {
                Some(answer) => (200, answer.clone()),
                None => (404, json!({"Type": "User", "Message": format!("no {path} here")})),
            },
        }
    }

    /// A page of a group: the first is empty, as CloudWatch's may be.
    fn log_page(&self, body: &Value) -> (u16, Value) {
        let Some(group) = self.logs.get(body["logGroupName"].as_str().unwrap()) else {
            return (
                400,
                json!({"__type": "ResourceNotFoundException", "message": "The log group does not exist."}),
            );
        };
        let from = match body["nextToken"].as_str() {
            None => return (200, json!({"events": [], "nextToken": "0"})),
            Some(token) => token.parse::<usize>().unwrap(),
        };
        let start = body["startTime"].as_u64().unwrap_or(0);
        let now = utc_ms();
        let most = self.page.unwrap_or(PAGE);
        let (mut page, mut next) = (Vec::new(), None);
        for (index, (came, at, text)) in group.iter().enumerate().skip(from) {
            if came + self.log_delay_ms > now || *at < start {
                continue;
            }
            if page.len() == most {
                next = Some(index.to_string());
                break;
            }
            page.push(
                json!({"eventId": index.to_string(), "timestamp": at, "ingestionTime": came, "message": text,
                "logStreamName": "s"}),
            );
        }
        (200, json!({"events": page, "nextToken": next}))
    }

    /// A line of a log group.
    pub(crate) fn log(&mut self, group: &str, text: &str) {
        let now = utc_ms();
        self.logs.entry(group.into()).or_default().push((now, now, text.to_owned()));
    }
}

#[allow(clippy::disallowed_methods, reason = "a server has a clock")]
pub(crate) fn utc_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// All of it.
pub(crate) struct World {
    pub(crate) script: Arc<Mutex<Script>>,
    pub(crate) queues: String,
    services: String,
    children: Vec<Child>,
}

impl World {
    /// Queues of these names, tagged as ours, and services without anything in them.
    pub(crate) fn new(names: &[&str]) -> Self {
        let mut serve = Command::new(env!("CARGO_BIN_EXE_versus"));
        serve.args(["serve", "--port", "0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = serve.spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let queues = first.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
        let queues = queues.trim_end_matches(['.', ',', '/']).to_owned();
        let script = Arc::new(Mutex::new(Script::default()));
        let services = serve_script(Arc::clone(&script));
        let world = Self { script, queues, services, children: vec![child] };
        for name in names {
            world.sqs("CreateQueue", &json!({"QueueName": name, "tags": {"versus": "queue"}}));
        }
        world
    }

    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/000000000000/{name}", self.queues)
    }

    /// A call to the queues.
    pub(crate) fn sqs(&self, action: &str, body: &Value) -> Value {
        let host = self.queues.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        let body = body.to_string();
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {host}\r\nx-amz-target: AmazonSQS.{action}\r\ncontent-type: \
             application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{action}: {answer}");
        serde_json::from_str(body).unwrap_or(Value::Null)
    }

    /// Where a program finds this AWS, and the planted secret.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("AWS_ENDPOINT_URL".to_owned(), self.services.clone()),
            ("AWS_ENDPOINT_URL_SQS".to_owned(), self.queues.clone()),
            ("AWS_ENDPOINT_URL_CLOUDWATCH".to_owned(), self.queues.clone()),
        ];
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "AKIAPLANTEDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/nonexistent"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
        ] {
            all.push((name.into(), value.into()));
        }
        all
    }

    /// A worker at a queue; what it prints goes to a log group, each line after `and` had a look at it.
    pub(crate) fn work(&mut self, queue: &str, group: &str, and: fn(&mut Script, &str, &str)) {
        self.work_so(queue, group, and, &[]);
    }

    /// The same with more in its environment.
    pub(crate) fn work_so(
        &mut self,
        queue: &str,
        group: &str,
        and: fn(&mut Script, &str, &str),
        more: &[(&str, &str)],
    ) {
        let mut worker = Command::new(env!("CARGO_BIN_EXE_versus"));
        worker.arg("worker").envs(self.environment()).env("QUEUE_URL", self.queue_url(queue));
        worker.envs([
            ("VERSUS_CONCURRENCY", "10"),
            ("VERSUS_POLL", "slot-free"),
            ("VERSUS_WAIT_TIME_S", "2"),
        ]);
        worker.envs(more.iter().copied());
        let mut child = worker.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (script, group) = (Arc::clone(&self.script), group.to_owned());
        script.lock().unwrap().logs.entry(group.clone()).or_default();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut script = script.lock().unwrap();
                script.log(&group, &line);
                and(&mut script, &group, &line);
            }
        });
        self.children.push(child);
    }

    /// The outputs of the stacks, as a file.
    pub(crate) fn outputs(&self, place: &Path, stacks: &[&[(&str, &str)]]) {
        let stacks: Vec<Value> = stacks
            .iter()
            .map(|outputs| {
                let all = outputs.iter().map(|(key, value)| json!({"OutputKey": key, "OutputValue": value}));
                json!({"StackName": "x", "Outputs": all.collect::<Vec<_>>()})
            })
            .collect();
        std::fs::write(place.join("outputs.json"), json!({"Stacks": stacks}).to_string()).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
    <GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/tester</Arn><UserId>U</UserId>\
    <Account>123456789012</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId>\
    </ResponseMetadata></GetCallerIdentityResponse>";

fn serve_script(script: Arc<Mutex<Script>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let script = Arc::clone(&script);
            // A client that goes away is no concern of the server.
            std::thread::spawn(move || _ = exchange(&stream.unwrap(), &script));
        }
    });
    url
}

fn exchange(stream: &TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut line) = (String::new(), 0, String::new());
    reader.read_line(&mut first)?;
    let mut action = first.split(' ').nth(1).unwrap_or_default().to_owned();
    while reader.read_line(&mut line)? > 2 {
        let (key, value) = line.trim().split_once(':').unwrap_or_default();
        match key.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "x-amz-target" => action = value.trim().into(),
            _ => {}
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    // The one service here that does not speak JSON.
    if body.starts_with(b"Action=GetCallerIdentity") {
        return write!(
            &mut (&*stream),
            "HTTP/1.1 200 X\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{CALLER}",
            CALLER.len()
        );
    }
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, answer) = script.lock().unwrap().answer(&action, &body);
    let answer = answer.to_string();
    write!(
        &mut (&*stream),
        "HTTP/1.1 {status} X\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{answer}",
        answer.len()
    )
}
