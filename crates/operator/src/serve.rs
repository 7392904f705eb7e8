//! Room `operator`: GET /metrics, /healthz, /readyz over HTTP/1.1, one answer per connection. Nothing else is understood,
//! and nothing is read beyond the first line and headers of 8 KiB.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::metrics::Metrics;

/// Longest head of a request.
const LONGEST: usize = 8 * 1024;
/// Longest time of a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// Connections at the same time; more are closed at once, so that idle ones do not keep the kubelet waiting.
const CONNECTIONS: usize = 32;

/// Answers until it is dropped.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: the next one may work.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let Ok(place) = room.clone().try_acquire_owned() else { continue };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(PATIENCE, answer(stream, &metrics)).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, metrics: &Metrics) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    while !head.windows(4).any(|it| it == b"\r\n\r\n") && head.len() < LONGEST {
        let read = stream.read(&mut piece).await?;
        if read == 0 {
            return Ok(());
        }
        head.extend_from_slice(piece.get(..read).unwrap_or_default());
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (status, text) = match (words.next(), words.next()) {
        (Some("GET"), Some("/metrics")) => ("200 OK", metrics.text()),
        (Some("GET"), Some("/healthz")) => ("200 OK", "ok\n".to_owned()),
        (Some("GET"), Some("/readyz")) if metrics.is_synced() => ("200 OK", "ok\n".to_owned()),
        (Some("GET"), Some("/readyz")) => {
            ("503 Service Unavailable", "not everything was seen yet\n".to_owned())
        }
        (Some("GET"), _) => ("404 Not Found", "there are /metrics, /healthz and /readyz\n".to_owned()),
        _ => ("405 Method Not Allowed", "only GET\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use ringfence_domain::Image;
    use ringfence_domain::Install;
    use ringfence_domain::install;

    use super::*;

    async fn asked(path: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, Arc::new(Metrics::default())));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer.split_whitespace().nth(1).unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_probes_of_the_installed_controller_are_answered() {
        let image = Some(Image("registry.example/ringfence".into()));
        let wanted = Install { namespace: "system".into(), image, workloads: [].into() };
        let manifests = install(&wanted);
        let workload = manifests.iter().find(|it| it["kind"] == "Deployment").unwrap();
        let container = &workload["spec"]["template"]["spec"]["containers"][0];
        let path = |probe: &str| container[probe]["httpGet"]["path"].as_str().unwrap().to_owned();
        assert_eq!(asked(&path("livenessProbe")).await, "200");
        assert_eq!(asked(&path("readinessProbe")).await, "503", "nothing was seen yet");
        assert_eq!(asked("/other").await, "404");
    }
}
