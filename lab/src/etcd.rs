//! What etcd really holds: a key -> bytes, through etcd's JSON gateway (`/v3/kv/range`). The API server
//! decrypts what it reads, so only here encryption at rest can be seen.

use std::io::Read;
use std::io::Write;

use serde_json::Value;
use serde_json::json;

use crate::base64;
use crate::error::Error;
use crate::error::Result;
use crate::site::Site;

/// The value of a key; `None` if there is no such key.
pub(crate) fn get(site: &Site, key: &str) -> Result<Option<Vec<u8>>> {
    let body = json!({"key": base64::encode(key)?}).to_string();
    let answer = post(site, "/v3/kv/range", &body).map_err(Error::io("etcd"))?;
    let answer: Value = serde_json::from_str(body_of(&answer)?).map_err(Error::while_("etcd"))?;
    if let Some(error) = answer["error"].as_str() {
        return Err(Error::other(format!("etcd: {error}")));
    }
    answer["kvs"][0]["value"].as_str().map(base64::decode).transpose()
}

/// HTTP/1.0: the answer is one piece and ends with the connection.
fn post(site: &Site, path: &str, body: &str) -> std::io::Result<String> {
    let address = site.etcd_address();
    let mut stream = site.connect(address)?;
    let length = body.len();
    let head = format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn body_of(answer: &str) -> Result<&str> {
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| Error::other("etcd: cut answer"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.contains(" 200 ") { Ok(body) } else { Err(Error::other(format!("etcd: {status}: {body}"))) }
}
