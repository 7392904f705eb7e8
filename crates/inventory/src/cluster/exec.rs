//! Room `inventory`, live: a credential plugin of a kubeconfig runs -> a token or a client certificate.
//!
//! The one place of what is shipped that starts a program: the one that the kubeconfig names, without a shell, in a
//! process group of its own, under a limit of time and output.

use std::collections::HashMap;
use std::io::Read;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::mpsc;
use std::sync::mpsc::RecvTimeoutError;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use kube::config::AuthInfo;
use kube::config::AuthProviderConfig;
use kube::config::Cluster;
use kube::config::ExecConfig;
use kube::config::ExecInteractiveMode;

use super::access::Access;
use super::pem;
use crate::yaml::Tree;
use crate::yaml::Value;
use crate::yaml::encode_base64;
use crate::yaml::read_json;
use crate::yaml::read_yaml;
use crate::yaml::write_json_string;

/// Time for a plugin that may not ask anybody, and for one that may.
const LIMIT: Duration = Duration::from_secs(30);
const LIMIT_ASKING: Duration = Duration::from_mins(5);
/// Bytes of its answer that are read; a token and two certificates take some kilobytes.
const MAX_OUTPUT: usize = 1 << 20;
/// Bytes of its words that are kept for an error.
const MAX_WORDS: usize = 4 << 10;
/// Between looks at whether it has ended, once its output has.
const LOOK: Duration = Duration::from_millis(5);

/// What a plugin gave.
#[derive(Debug, Default)]
pub(super) struct Credential {
    token: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Credential {
    /// Puts it in the place of what the kubeconfig has.
    pub(super) fn put_into(self, user: &mut AuthInfo) {
        if let Some(token) = self.token {
            user.token = Some(token.into());
        }
        if let (Some(certificate), Some(key)) = (self.certificate, self.key) {
            user.client_certificate_data = Some(encode_base64(certificate.as_bytes()));
            user.client_key_data = Some(encode_base64(key.as_bytes()).into());
        }
    }
}

/// The token of `auth-provider`, as old kubeconfigs have it. An ended one is not renewed here: that would talk to another
/// server than the cluster's, and use up a refresh token that `kubectl` still needs.
pub(super) fn of_provider(provider: &AuthProviderConfig) -> Result<String, String> {
    match provider.name.as_str() {
        "oidc" => provider.config.get("id-token").filter(|token| !token.is_empty()).cloned().ok_or_else(|| {
            "the user's auth-provider `oidc` holds no id-token; log in with `kubectl get namespaces`, which stores one"
                .to_owned()
        }),
        name => Err(format!(
            "the user's auth-provider `{name}` is gone from kubectl since 1.26; replace it by an `exec` plugin \
             (gke-gcloud-auth-plugin, kubelogin)"
        )),
    }
}

/// Runs a plugin.
pub(super) fn run(plugin: &ExecConfig, cluster: &Cluster, access: &Access) -> Result<Credential, String> {
    let program = plugin.command.as_deref().filter(|command| !command.is_empty());
    let program = program.ok_or("the exec plugin names no command")?;
    let version = plugin.api_version.as_deref().unwrap_or("");
    if !matches!(version, "client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1") {
        return Err(format!(
            "exec plugin {program}: apiVersion {version:?} is none that kubectl takes; write \
             client.authentication.k8s.io/v1 or v1beta1"
        ));
    }
    let asks = match plugin.interactive_mode {
        Some(ExecInteractiveMode::Never) => false,
        Some(ExecInteractiveMode::Always) if !access.interactive => {
            return Err(format!(
                "exec plugin {program} wants to ask a person (interactiveMode: Always) and standard input is no terminal; \
                 log in beforehand, or give a kubeconfig with a token"
            ));
        }
        _ => access.interactive,
    };
    let limit = access.exec_timeout.unwrap_or(if asks { LIMIT_ASKING } else { LIMIT });
    let mut command = Command::new(program);
    command.args(plugin.args.iter().flatten());
    command.env_clear().envs(access.env.iter());
    command.envs(plugin.env.iter().flatten().filter_map(pair));
    command.env("KUBERNETES_EXEC_INFO", info(plugin, cluster, version, asks)?);
    command.stdin(if asks { Stdio::inherit() } else { Stdio::null() });
    command.stdout(Stdio::piped());
    // What a plugin says to a person must reach that person while it waits for the answer.
    command.stderr(if asks { Stdio::inherit() } else { Stdio::piped() });
    // Behind a terminal a group of its own could not read what is typed.
    let own_group = !asks && own_group(&mut command);
    let child = command.spawn().map_err(|error| {
        let hint = plugin.install_hint.as_deref().map_or_else(String::new, |hint| format!("\n{hint}"));
        format!("exec plugin {program}: {error}; install it, or correct `command` in the kubeconfig{hint}")
    })?;
    let ended = Running { child, own_group }.wait(limit);
    let words = |output: &Output| {
        let text = String::from_utf8_lossy(&output.words);
        let text = (access.mask)(text.trim());
        if text.is_empty() { String::new() } else { format!(": {text}") }
    };
    match ended {
        Ended::Well(output) => {
            credential(&output.answer, version).map_err(|fault| format!("exec plugin {program}: {fault}"))
        }
        Ended::Badly(how, output) => {
            Err(format!("exec plugin {program} failed ({how}){}; run it by hand to see why", words(&output)))
        }
        Ended::TooLate(output) => Err(format!(
            "exec plugin {program} gave nothing in {} s and was stopped{}; does it wait for a login? Log in beforehand, or \
             give it more time with --exec-timeout",
            limit.as_secs(),
            words(&output)
        )),
        Ended::TooMuch => Err(format!("exec plugin {program} printed more than 1 MiB and was stopped")),
    }
}

fn pair(entry: &HashMap<String, String>) -> Option<(&String, &String)> {
    entry.get("name").zip(entry.get("value"))
}

/// `KUBERNETES_EXEC_INFO`.
fn info(plugin: &ExecConfig, cluster: &Cluster, version: &str, asks: bool) -> Result<String, String> {
    let mut out = String::from("{\"apiVersion\":");
    write_json_string(version, &mut out);
    out.push_str(",\"kind\":\"ExecCredential\",\"spec\":{");
    if plugin.provide_cluster_info {
        out.push_str("\"cluster\":{\"server\":");
        write_json_string(cluster.server.as_deref().unwrap_or(""), &mut out);
        let mut text = |key: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                write_json_string(key, {
                    out.push(',');
                    &mut out
                });
                out.push(':');
                write_json_string(value, &mut out);
            }
        };
        text("tls-server-name", cluster.tls_server_name.as_deref());
        text("proxy-url", cluster.proxy_url.as_deref());
        let authority = pem::authority_text(cluster)?.map(|bytes| encode_base64(&bytes));
        text("certificate-authority-data", authority.as_deref());
        if cluster.insecure_skip_tls_verify == Some(true) {
            out.push_str(",\"insecure-skip-tls-verify\":true");
        }
        let extension = cluster.extensions.iter().flatten().find(|one| one.name == EXTENSION);
        if let Some(extension) = extension {
            out.push_str(",\"config\":");
            // Its own form is JSON.
            out.push_str(&extension.extension.to_string());
        }
        out.push_str("},");
    }
    out.push_str("\"interactive\":");
    out.push_str(if asks { "true}}" } else { "false}}" });
    Ok(out)
}

/// Extension of a cluster that is handed to plugins.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// The answer of a plugin: JSON, or YAML as `kubectl` takes it too.
fn credential(answer: &[u8], version: &str) -> Result<Credential, String> {
    let text = std::str::from_utf8(answer).map_err(|_| "its answer is not UTF-8".to_owned())?;
    let tree = match read_json(text) {
        Ok(Some((tree, _))) => Some(tree),
        _ => read_yaml(text).ok().flatten(),
    };
    let tree: Tree = tree.ok_or("its answer is no ExecCredential in JSON")?;
    let root = tree.root();
    if root.str_at("kind") != Some("ExecCredential") {
        return Err("its answer is no ExecCredential".to_owned());
    }
    let told = root.str_at("apiVersion").unwrap_or("");
    if told != version {
        return Err(format!("its answer is of apiVersion {told:?}, the kubeconfig asks for {version:?}"));
    }
    let status = root.get("status").ok_or("its answer holds no status")?;
    let text = |key: &str| {
        status.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let (token, certificate, key) = (text("token"), text("clientCertificateData"), text("clientKeyData"));
    if certificate.is_some() != key.is_some() {
        return Err("its answer holds half of a client certificate and key".to_owned());
    }
    if token.is_none() && certificate.is_none() {
        return Err("its answer holds neither a token nor a client certificate".to_owned());
    }
    Ok(Credential { token, certificate, key })
}

/// A started plugin.
struct Running {
    child: Child,
    own_group: bool,
}

/// What it printed.
#[derive(Default)]
struct Output {
    answer: Vec<u8>,
    words: Vec<u8>,
}

enum Ended {
    Well(Output),
    Badly(String, Output),
    TooLate(Output),
    TooMuch,
}

enum Piece {
    Answer(Vec<u8>),
    Words(Vec<u8>),
}

impl Running {
    fn wait(mut self, limit: Duration) -> Ended {
        let end = Instant::now().checked_add(limit);
        let left = || end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
        let (sender, receiver) = mpsc::channel();
        let answer = self.child.stdout.take().map(|pipe| read(pipe, sender.clone(), Piece::Answer));
        let words = self.child.stderr.take().map(|pipe| read(pipe, sender.clone(), Piece::Words));
        drop((sender, answer, words));
        let mut output = Output::default();
        loop {
            // A grandchild may hold the pipes after the plugin has ended: whichever ends first counts.
            match receiver.recv_timeout(left().min(LOOK.saturating_mul(10))) {
                Ok(Piece::Answer(bytes)) => output.answer.extend(bytes),
                Ok(Piece::Words(bytes)) if output.words.len() < MAX_WORDS => output.words.extend(bytes),
                Ok(Piece::Words(_)) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    if matches!(self.child.try_wait(), Ok(Some(_))) {
                        break;
                    }
                }
            }
            if output.answer.len() > MAX_OUTPUT {
                self.stop();
                return Ended::TooMuch;
            }
            if left().is_zero() {
                self.stop();
                return Ended::TooLate(output);
            }
        }
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => {
                    output.answer.extend(receiver.try_iter().flat_map(|piece| match piece {
                        Piece::Answer(bytes) => bytes,
                        Piece::Words(_) => Vec::new(),
                    }));
                    return Ended::Well(output);
                }
                Ok(Some(status)) => return Ended::Badly(status.to_string(), output),
                Ok(None) if !left().is_zero() => thread::sleep(LOOK),
                Ok(None) => {
                    self.stop();
                    return Ended::TooLate(output);
                }
                Err(error) => return Ended::Badly(error.to_string(), output),
            }
        }
    }

    /// Ends it with everything that it started.
    fn stop(&mut self) {
        if self.own_group {
            stop_group(&self.child);
        }
        // It may have ended by itself in the meantime.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(mut pipe: impl Read + Send + 'static, sender: mpsc::Sender<Piece>, piece: fn(Vec<u8>) -> Piece) {
    thread::spawn(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            if sender.send(piece(buffer.get(..count).unwrap_or(&[]).to_vec())).is_err() {
                break;
            }
        }
    });
}

#[cfg(unix)]
fn own_group(command: &mut Command) -> bool {
    use std::os::unix::process::CommandExt as _;
    command.process_group(0);
    true
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) -> bool {
    false
}

#[cfg(unix)]
fn stop_group(child: &Child) {
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        // It may have ended by itself in the meantime.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn stop_group(_: &Child) {}
