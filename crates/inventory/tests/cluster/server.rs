//! An API server of a test's making, on loopback: it says what the test wants it to say, and remembers what it was
//! asked. For what a real one does not do on demand; what it does is shown on a real one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use ringfence_inventory::Snapshot;
use ringfence_inventory::cluster::Access;
use ringfence_inventory::cluster::Ask;
use ringfence_inventory::cluster::Cluster;
use ringfence_inventory::cluster::ClusterError;
use ringfence_inventory::cluster::Env;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Without the query.
    pub(crate) path: String,
    /// `limit=2&continue=x`, decoded nowhere.
    pub(crate) query: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// How often this path and query were asked before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

/// One answer.
pub(crate) enum Reply {
    Json(String),
    Status(u16, Vec<(&'static str, String)>, String),
    /// Sends the first bytes of a body that is announced as longer, then closes.
    Cut(String),
    /// Sends the first bytes of a body that is announced as longer, then nothing more.
    Stall(String),
    /// Accepts, and says nothing.
    Hang,
    /// Closes at once.
    Close,
}

pub(crate) fn forbidden(words: &str) -> Reply {
    let body = format!(
        r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{words}","reason":"Forbidden","code":403}}"#
    );
    Reply::Status(403, Vec::new(), body)
}

type Handler = dyn Fn(&Asked) -> Option<Reply> + Send + Sync;

pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    folder: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.url.trim_start_matches("http://"));
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Server {
    /// Starts one. What `handler` does not answer is answered as by a small, healthy cluster.
    pub(crate) fn start(handler: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let (all, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let (handler, all, stopped) = (Arc::clone(&handler), Arc::clone(&all), Arc::clone(&stopped));
                thread::spawn(move || serve(stream, &*handler, &all, &stopped));
            }
        });
        let folder =
            std::env::temp_dir().join(format!("ringfence-test-{}-{}", std::process::id(), address.port()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { url: format!("http://{address}"), asked, stop, folder }
    }

    /// Paths asked, with their queries, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often lists of this plural were asked.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path == path).count()
    }

    /// A way to it without any credential.
    pub(crate) fn access(&self) -> Access {
        self.access_with("{}")
    }

    /// A way to it as this user of a kubeconfig.
    pub(crate) fn access_with(&self, user: &str) -> Access {
        let file = self.folder.join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: test\nclusters: [{{name: c, cluster: {{server: '{}'}}}}]\nusers: [{{name: u, user: {user}}}]\ncontexts: [{{name: test, context: {{cluster: c, user: u, namespace: own}}}}]\n",
            self.url
        );
        std::fs::write(&file, text).unwrap();
        let mut access =
            Access::new(Env::of([("PATH", std::env::var_os("PATH").unwrap_or_default())]), str::to_owned);
        access.kubeconfig = Some(file);
        access
    }

    pub(crate) fn read(&self, ask: &Ask) -> Result<Snapshot, ClusterError> {
        Cluster::find(&self.access())?.read(ask)
    }
}

/// Small waits, so that a test of patience takes no time.
pub(crate) fn impatient() -> Ask {
    Ask { silence: Duration::from_millis(300), deadline: Duration::from_secs(20), ..Ask::default() }
}

fn serve(stream: TcpStream, handler: &Handler, all: &Mutex<Vec<Asked>>, stop: &AtomicBool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while !stop.load(Ordering::SeqCst) {
        let Some(mut asked) = request(&mut reader) else {
            // What a server of plain HTTP says to a greeting of TLS.
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
            return;
        };
        {
            let mut all = all.lock().unwrap();
            let same = |one: &&Asked| one.path == asked.path && one.query == asked.query;
            asked.before = all.iter().filter(same).count();
            all.push(asked.clone());
        }
        let reply = handler(&asked).unwrap_or_else(|| healthy(&asked));
        let goes_on = match reply {
            Reply::Json(body) => answer(&mut stream, 200, &[], &body, body.len()),
            Reply::Status(status, headers, body) => answer(&mut stream, status, &headers, &body, body.len()),
            Reply::Cut(body) => {
                answer(&mut stream, 200, &[], &body, body.len() + 1000);
                false
            }
            Reply::Stall(body) => {
                answer(&mut stream, 200, &[], &body, body.len() + 1000);
                until_gone(&mut reader);
                false
            }
            Reply::Hang => {
                until_gone(&mut reader);
                false
            }
            Reply::Close => false,
        };
        if !goes_on {
            return;
        }
    }
}

/// Waits until the other side has closed.
fn until_gone(reader: &mut impl BufRead) {
    while let Ok(bytes) = reader.fill_buf() {
        let count = bytes.len();
        if count == 0 {
            return;
        }
        reader.consume(count);
    }
}

fn request(reader: &mut impl BufRead) -> Option<Asked> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    Some(Asked { method, path: path.to_owned(), query: query.to_owned(), headers, before: 0 })
}

fn answer(
    stream: &mut TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &str,
    length: usize,
) -> bool {
    let mut head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\ndate: Wed, 25 Nov 2026 01:50:24 GMT\r\n"
    );
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_ok()
}

/// Resources of the healthy cluster: group, version, plural, kind, whether it has namespaces.
const SERVED: &[(&str, &str, &str, &str, bool)] = &[
    ("", "v1", "configmaps", "ConfigMap", true),
    ("", "v1", "namespaces", "Namespace", false),
    ("", "v1", "nodes", "Node", false),
    ("", "v1", "pods", "Pod", true),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true),
    ("ray.io", "v1", "rayclusters", "RayCluster", true),
];

pub(crate) fn pod(namespace: &str, name: &str) -> String {
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{namespace}","uid":"u-{name}","resourceVersion":"7"}},"spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}"#
    )
}

pub(crate) fn list(kind: &str, version: &str, items: &[String], token: &str) -> String {
    let metadata = if token.is_empty() { "{}".to_owned() } else { format!(r#"{{"continue":"{token}"}}"#) };
    format!(
        r#"{{"kind":"{kind}List","apiVersion":"{version}","metadata":{metadata},"items":[{}]}}"#,
        items.join(",")
    )
}

fn healthy(asked: &Asked) -> Reply {
    let resource = |(_, _, plural, kind, namespaced): &(&str, &str, &str, &str, bool)| {
        let scope = if *namespaced { "Namespaced" } else { "Cluster" };
        format!(
            r#"{{"resource":"{plural}","responseKind":{{"group":"","version":"","kind":"{kind}"}},"scope":"{scope}","verbs":["get","list"]}}"#
        )
    };
    let group = |name: &str| {
        let resources: Vec<String> = SERVED.iter().filter(|row| row.0 == name).map(resource).collect();
        format!(
            r#"{{"metadata":{{"name":"{name}"}},"versions":[{{"version":"v1","freshness":"Current","resources":[{}]}}]}}"#,
            resources.join(",")
        )
    };
    let discovery = |groups: &[&str]| {
        let groups: Vec<String> = groups.iter().map(|name| group(name)).collect();
        Reply::Json(format!(
            r#"{{"kind":"APIGroupDiscoveryList","apiVersion":"apidiscovery.k8s.io/v2","metadata":{{}},"items":[{}]}}"#,
            groups.join(",")
        ))
    };
    match asked.path.as_str() {
        "/version" => return Reply::Json(r#"{"major":"1","minor":"36","gitVersion":"v1.36.4"}"#.to_owned()),
        "/api" => return discovery(&[""]),
        "/apis" => return discovery(&["networking.k8s.io", "ray.io"]),
        _ => {}
    }
    let plural = asked.path.rsplit('/').next().unwrap_or("");
    let Some((group, version, _, kind, _)) = SERVED.iter().find(|row| row.2 == plural) else {
        return Reply::Status(
            404,
            Vec::new(),
            r#"{"kind":"Status","message":"not found","code":404}"#.to_owned(),
        );
    };
    let api_version = if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") };
    let items = match plural {
        "namespaces" => {
            ["own", "ml", "web"].map(|name| format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).to_vec()
        }
        "pods" => vec![pod("ml", "a"), pod("ml", "b"), pod("web", "c")],
        _ => Vec::new(),
    };
    Reply::Json(list(kind, &api_version, &items, ""))
}
