//! The one process that owns a lab: starts it, answers questions, ends it. Its standard input is a pipe from
//! who started it; end of file there, a signal or the question `stop` begins the end, also in mid-start.

use std::io::Read;
use std::io::Write;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::children::PATIENCE;
use crate::client::client;
use crate::component::Component;
use crate::control;
use crate::control::Asked;
use crate::control::Request;
use crate::error::Error;
use crate::error::Result;
use crate::fake_node;
use crate::flags;
use crate::home::Home;
use crate::home::STARTER;
use crate::home::SUPERVISOR;
use crate::home::write_json;
use crate::lab::Lab;
use crate::lab::Spec;
use crate::netns;
use crate::node;
use crate::process::ProcessId;
use crate::process::Usage;
use crate::process::children_cpu_seconds;
use crate::site::Site;
use crate::start;
use crate::stop;
use crate::tier::Tier;

/// Supervises the lab of this folder until its end. Tells on standard output, in one line, whether it is
/// ready or why not.
pub(crate) fn supervise(home: Home) -> Result<()> {
    // Already the leader of a session, where it was started by hand.
    let _ = rustix::process::setsid();
    let spec = Spec::read(&home)?;
    write_json(&home.record(SUPERVISOR), &ProcessId::own()?)?;
    let _ = std::fs::remove_file(home.record(STARTER));
    let site = match spec.tier {
        Tier::Node => Site::Namespace(netns::of(&home)),
        Tier::Api | Tier::ControlPlane => Site::on_host()?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::io("runtime"))?;
    let result = runtime.block_on(Supervisor::new(Lab::new(home, spec, site)).run());
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

struct Supervisor {
    lab: Lab,
    fake_nodes: JoinSet<()>,
}

/// Why a lab ends.
enum End {
    /// Somebody asked, and waits for the figures.
    Asked(Asked),
    /// A signal, or the owner is gone.
    Told,
    /// It could not be started.
    Failed(Error),
}

impl Supervisor {
    fn new(lab: Lab) -> Self {
        Self { lab, fake_nodes: JoinSet::new() }
    }

    async fn run(mut self) -> Result<()> {
        let mut events = Events::listen(&self.lab.home)?;
        let end = match self.start(&mut events).await {
            Ok(()) => self.serve(&mut events).await,
            Err(end) => end,
        };
        self.end(end).await
    }

    /// Starts the lab. Until it is ready it ends with who starts it, whoever owns it later.
    async fn start(&mut self, events: &mut Events) -> Result<(), End> {
        let starting = start::everything(&mut self.lab);
        let started = meanwhile(starting, events, true, "starting").await?;
        started.map_err(End::Failed)?;
        self.start_fake_nodes().await.map_err(End::Failed)?;
        say(&json!({"ready": true}));
        Ok(())
    }

    async fn start_fake_nodes(&mut self) -> Result<()> {
        for node in self.lab.spec.fake_nodes.clone() {
            let client = client(&self.lab.home.kubeconfig("admin"), None).await?;
            fake_node::create(&client, &node).await?;
            self.fake_nodes.spawn(fake_node::live(client, node));
        }
        Ok(())
    }

    /// Answers until the lab is to end.
    async fn serve(&mut self, events: &mut Events) -> End {
        loop {
            match events.next().await {
                Event::Signal => return End::Told,
                Event::OwnerGone if self.lab.spec.owned => return End::Told,
                Event::OwnerGone => {}
                Event::Asked(asked) => match asked.request {
                    Request::Stop => return End::Asked(asked),
                    Request::Status => asked.answer(Ok(self.status())).await,
                    Request::Kill(component) => {
                        let killed = self.lab.children.end(component, Duration::ZERO).await;
                        let answer = killed.map(|status| json!(status.to_string()));
                        asked.answer(answer.ok_or_else(|| not_running(component))).await;
                    }
                    Request::Restart(component) => {
                        let owned = self.lab.spec.owned;
                        match meanwhile(self.restart(component), events, owned, "restarting").await {
                            Ok(answer) => asked.answer(answer.map(|()| Value::Null)).await,
                            Err(end) => return end,
                        }
                    }
                },
            }
        }
    }

    async fn restart(&mut self, component: Component) -> Result<()> {
        if component.is_of_node() {
            self.lab.children.end(component, PATIENCE).await;
            return node::start_one(&mut self.lab, component).await;
        }
        let command = flags::command(&self.lab, component)?;
        self.lab.children.end(component, PATIENCE).await;
        self.lab.children.start(component, command)?;
        let client = client(&self.lab.home.kubeconfig("admin"), None).await?;
        start::readyz(&mut self.lab, &client).await
    }

    fn status(&mut self) -> Value {
        let components: Vec<Value> = Component::ALL
            .into_iter()
            .filter_map(|component| {
                let id = self.lab.children.id(component)?.clone();
                let usage = id.is_alive().then(|| Usage::of(id.pid)).flatten();
                Some(json!({"name": component, "process": id, "runs": usage.is_some(), "usage": usage}))
            })
            .collect();
        json!({
            "phase": "ready",
            "tier": self.lab.spec.tier,
            "age_seconds": self.lab.age().as_secs(),
            "milestones": self.lab.milestones,
            "components": components,
            "ended_children_cpu_seconds": children_cpu_seconds(),
        })
    }

    async fn end(mut self, end: End) -> Result<()> {
        let begin = self.lab.age();
        self.fake_nodes.abort_all();
        let stopped = stop::everything(&mut self.lab).await;
        // A mount that is left leads out of the folder: then nothing is removed, and `sweep` tries again.
        let result = if self.lab.spec.keep { stopped } else { stopped.and_then(|()| self.lab.home.remove()) };
        let took = self.lab.age().saturating_sub(begin).as_millis();
        match end {
            End::Asked(asked) => {
                let figures = json!({
                    "stop_milliseconds": u64::try_from(took).unwrap_or(u64::MAX),
                    "children_cpu_seconds": children_cpu_seconds(),
                });
                let answer =
                    result.as_ref().map(|()| figures).map_err(|error| Error::other(error.to_string()));
                asked.answer(answer).await;
                result
            }
            End::Told => result,
            End::Failed(error) => {
                say(&json!({"failed": error.to_string()}));
                result
            }
        }
    }
}

/// Works, and answers questions meanwhile. What ends the lab calls the work off.
async fn meanwhile<T>(
    work: impl Future<Output = T>,
    events: &mut Events,
    owned: bool,
    phase: &str,
) -> Result<T, End> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return Ok(result),
            event = events.next() => match event {
                Event::Signal => return Err(End::Told),
                Event::OwnerGone if owned => return Err(End::Told),
                Event::OwnerGone => {}
                Event::Asked(asked) if asked.request == Request::Stop => return Err(End::Asked(asked)),
                Event::Asked(asked) if asked.request == Request::Status => {
                    asked.answer(Ok(json!({"phase": phase}))).await;
                }
                Event::Asked(asked) => {
                    asked.answer(Err(Error::other(format!("the lab is {phase}; ask again later")))).await;
                }
            },
        }
    }
}

fn not_running(component: Component) -> Error {
    Error::other(format!("{component} does not run"))
}

/// One line for who started the supervisor; nobody else reads its standard output.
fn say(line: &Value) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

enum Event {
    Asked(Asked),
    OwnerGone,
    Signal,
}

/// Everything that a supervisor reacts to.
struct Events {
    asked: mpsc::Receiver<Asked>,
    owner: mpsc::Receiver<()>,
    signals: [tokio::signal::unix::Signal; 3],
}

impl Events {
    fn listen(home: &Home) -> Result<Self> {
        let (sender, asked) = mpsc::channel(16);
        control::listen(home, sender)?;
        let on = |kind| signal(kind).map_err(Error::io("signal handler"));
        let signals = [on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?];
        Ok(Self { asked, owner: end_of_input(), signals })
    }

    async fn next(&mut self) -> Event {
        let [terminate, interrupt, hangup] = &mut self.signals;
        tokio::select! {
            Some(asked) = self.asked.recv() => Event::Asked(asked),
            Some(()) = self.owner.recv() => Event::OwnerGone,
            _ = terminate.recv() => Event::Signal,
            _ = interrupt.recv() => Event::Signal,
            _ = hangup.recv() => Event::Signal,
        }
    }
}

/// Sends once when standard input ends. In a thread: reading it cannot be called off.
fn end_of_input() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while std::io::stdin().read(&mut buffer).is_ok_and(|count| count > 0) {}
        let _ = sender.blocking_send(());
    });
    receiver
}
