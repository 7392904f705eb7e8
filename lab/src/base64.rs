//! Base64 as Kubernetes writes it, through the byte string of its own types: no crate of its own for that.

use k8s_openapi::ByteString;
use serde_json::Value;

use crate::error::Error;
use crate::error::Result;

pub(crate) fn encode(bytes: impl Into<Vec<u8>>) -> Result<String> {
    match serde_json::to_value(ByteString(bytes.into())) {
        Ok(Value::String(text)) => Ok(text),
        other => Err(Error::other(format!("base64: {other:?}"))),
    }
}

pub(crate) fn decode(text: &str) -> Result<Vec<u8>> {
    let bytes: ByteString = serde_json::from_value(text.into()).map_err(Error::while_("base64"))?;
    Ok(bytes.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        assert_eq!(encode("/registry/").unwrap(), "L3JlZ2lzdHJ5Lw==");
        assert_eq!(decode("L3JlZ2lzdHJ5Lw==").unwrap(), b"/registry/");
        assert!(decode("no base64!").is_err());
    }
}
