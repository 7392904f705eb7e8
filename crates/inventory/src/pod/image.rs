//! Parts of an image reference that names are looked up in: whole path segments and the words in them, never substrings
//! (`array` is no `ray`) and never the registry's host.

/// Path without registry host, tag and digest: `docker.io/vllm/vllm-openai:v1` -> `vllm/vllm-openai`.
pub(super) fn path(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or("");
    // A colon after the last slash starts the tag; one before it belongs to the registry's port.
    let name_from = image.rfind('/').map_or(0, |slash| slash.saturating_add(1));
    let tag = image.get(name_from..).and_then(|name| name.find(':')).map(|at| name_from.saturating_add(at));
    let image = image.get(..tag.unwrap_or(image.len())).unwrap_or(image);
    match image.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest,
        _ => image,
    }
}

/// Tag, when one is written: `v1` of `docker.io/vllm/vllm-openai:v1@sha256:ab`.
pub(crate) fn tag(image: &str) -> Option<&str> {
    let image = image.split('@').next().unwrap_or("");
    let name = image.rsplit('/').next().unwrap_or("");
    name.split_once(':').map(|(_, tag)| tag)
}

/// Registry host, when one is written.
pub(super) fn host(image: &str) -> Option<&str> {
    let (host, _) = image.split_once('/')?;
    (host.contains(['.', ':']) || host == "localhost").then_some(host)
}

/// Path segments.
pub(crate) fn segments(image: &str) -> impl DoubleEndedIterator<Item = &str> {
    path(image).split('/')
}

/// Whether the words of `name` stand one after another among the words of a segment: `text-generation` in
/// `text-generation-inference`, `llama.cpp` in `llama.cpp`.
pub(super) fn names(segment: &str, name: &str) -> bool {
    let mut from = 0_usize;
    while let Some(at) = segment.get(from..).and_then(|rest| find(rest, name)) {
        let start = from.saturating_add(at);
        let end = start.saturating_add(name.len());
        let edge = |byte: Option<&u8>| byte.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let bytes = segment.as_bytes();
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        // A version may follow at once: `llama2`, `qwen3`.
        let after = bytes.get(end).filter(|byte| !byte.is_ascii_digit());
        if edge(before) && edge(after) {
            return true;
        }
        from = start.saturating_add(1);
    }
    false
}

/// ASCII, without case.
fn find(text: &str, name: &str) -> Option<usize> {
    let (text, name) = (text.as_bytes(), name.as_bytes());
    text.windows(name.len().max(1)).position(|window| window.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lose_host_tag_and_digest() {
        for (image, expected) in [
            ("docker.io/vllm/vllm-openai:v1", "vllm/vllm-openai"),
            ("localhost:5000/a/b@sha256:ab", "a/b"),
            ("nginx", "nginx"),
            ("nginx:1.27", "nginx"),
            ("team/web:ray", "team/web"),
            ("ray.example.com:443/web", "web"),
        ] {
            assert_eq!(path(image), expected, "{image}");
        }
        assert_eq!(host("nvcr.io/nim/x"), Some("nvcr.io"));
        assert_eq!(host("team/web"), None);
        for (image, expected) in [
            ("nvcr.io/nvidia/k8s/container-toolkit:v1.17.8-ubuntu20.04", Some("v1.17.8-ubuntu20.04")),
            ("localhost:5000/a/b:v1@sha256:ab", Some("v1")),
            ("localhost:5000/a/b", None),
            ("nginx@sha256:ab", None),
        ] {
            assert_eq!(tag(image), expected, "{image}");
        }
    }

    #[test]
    fn names_are_words_not_substrings() {
        for (segment, name, expected) in [
            ("array", "ray", false),
            ("xray-daemon", "ray", false),
            ("ray", "ray", true),
            ("ray-ml", "ray", true),
            ("my_ray", "ray", true),
            ("text-generation-inference", "text-generation", true),
            ("llama.cpp", "llama.cpp", true),
            ("Llama2", "llama", true),
            ("llamas", "llama", false),
            ("array-ray", "ray", true),
            ("", "ray", false),
        ] {
            assert_eq!(names(segment, name), expected, "{segment} {name}");
        }
    }
}
