//! The API server's audit log, followed: bytes that were appended -> events of `audit.k8s.io/v1`.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::error::Error;
use crate::error::Result;
use crate::until::until;

/// The events since it was made. The server writes an event before it ends the answer.
#[derive(Debug)]
pub struct AuditTail {
    log: File,
    unfinished: Vec<u8>,
    seen: Vec<AuditEvent>,
}

/// One request to the API server.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEvent(Value);

impl AuditTail {
    pub(crate) fn from_now(log: &Path) -> Result<Self> {
        let mut file = File::open(log).map_err(Error::at(log))?;
        file.seek(SeekFrom::End(0)).map_err(Error::at(log))?;
        Ok(Self { log: file, unfinished: Vec::new(), seen: Vec::new() })
    }

    /// All events so far, oldest first.
    pub fn events(&mut self) -> &[AuditEvent] {
        if self.log.read_to_end(&mut self.unfinished).is_ok() {
            let complete = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let rest = self.unfinished.split_off(complete);
            let lines = std::mem::replace(&mut self.unfinished, rest);
            let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            self.seen.extend(lines.filter_map(|line| Some(AuditEvent(serde_json::from_slice(line).ok()?))));
        }
        &self.seen
    }

    /// The events of one client program, by its user agent up to the first `/`: `ringfence`, `kubectl`.
    pub fn of_agent(&mut self, program: &str) -> Vec<AuditEvent> {
        self.filter(|event| event.user_agent().split('/').next() == Some(program))
    }

    /// The events of one user: the impersonated one where there is one.
    pub fn of_user(&mut self, user: &str) -> Vec<AuditEvent> {
        self.filter(|event| event.user() == user)
    }

    /// Waits for an event.
    ///
    /// # Panics
    /// After the deadline, with `what`.
    #[track_caller]
    pub fn wait(
        &mut self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&AuditEvent) -> bool,
    ) -> AuditEvent {
        until(what, deadline, || self.events().iter().find(|event| wanted(event)).cloned())
    }

    fn filter(&mut self, wanted: impl Fn(&AuditEvent) -> bool) -> Vec<AuditEvent> {
        self.events().iter().filter(|event| wanted(event)).cloned().collect()
    }
}

impl AuditEvent {
    /// `get`, `list`, `watch`, `create` and so on.
    pub fn verb(&self) -> &str {
        self.text("/verb")
    }

    /// Who it was done as: the impersonated user where there is one.
    pub fn user(&self) -> &str {
        match self.text("/impersonatedUser/username") {
            "" => self.text("/user/username"),
            impersonated => impersonated,
        }
    }

    /// The client program, as it calls itself.
    pub fn user_agent(&self) -> &str {
        self.text("/userAgent")
    }

    /// Path and query.
    pub fn uri(&self) -> &str {
        self.text("/requestURI")
    }

    /// Resource, with the subresource after a slash: `pods`, `pods/exec`; empty for paths without one.
    pub fn resource(&self) -> String {
        match (self.text("/objectRef/resource"), self.text("/objectRef/subresource")) {
            (resource, "") => resource.into(),
            (resource, subresource) => format!("{resource}/{subresource}"),
        }
    }

    /// Namespace; empty if there is none.
    pub fn namespace(&self) -> &str {
        self.text("/objectRef/namespace")
    }

    /// Name of the object; empty if there is none.
    pub fn name(&self) -> &str {
        self.text("/objectRef/name")
    }

    /// Status code of the answer; 0 if it was not given.
    pub fn code(&self) -> u64 {
        self.0.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default()
    }

    /// Everything else.
    pub fn raw(&self) -> &Value {
        &self.0
    }

    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::home::Temporary;

    #[test]
    fn gives_whole_lines_from_now_on() {
        let home = Temporary::new();
        let mut log = File::create(home.audit_log()).unwrap();
        log.write_all(b"{\"verb\":\"get\"}\n").unwrap();
        let mut tail = AuditTail::from_now(&home.audit_log()).unwrap();
        log.write_all(br#"{"verb":"list","user":{"username":"admin"},"userAgent":"kubectl/v1"#).unwrap();
        assert!(tail.events().is_empty());
        log.write_all(
            b".36.4\",\"impersonatedUser\":{\"username\":\"anna\"},\"objectRef\":{\"resource\":\"pods\",",
        )
        .unwrap();
        log.write_all(b"\"subresource\":\"log\"},\"responseStatus\":{\"code\":403}}\nbroken\n").unwrap();
        let [event] = tail.events() else { panic!("{tail:?}") };
        assert_eq!((event.verb(), event.user(), event.code()), ("list", "anna", 403));
        assert_eq!(event.resource(), "pods/log");
        assert_eq!(tail.of_agent("kubectl").len(), 1);
        assert!(tail.of_agent("kube").is_empty() && tail.of_user("admin").is_empty());
    }
}
