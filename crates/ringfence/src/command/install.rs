//! `ringfence install --print`: what is installed once, as manifests.

use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;
use ringfence_domain::Image;
use ringfence_domain::Install as Wanted;
use ringfence_domain::install;
use ringfence_domain::yaml;
use ringfence_finding::ExitCode;

use crate::command::domain::init::is_label;
use crate::exit::Usage;
use crate::output;

/// Print what is installed once: the definition of SecurityDomain, the roles of people, account and rights of the
/// controller, and the controller itself.
///
/// Nothing is sent anywhere: read it, then apply it with kubectl. The same command prints what an uninstall removes.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence install --print --image registry.corp/ringfence@sha256:... \\
      | kubectl apply --server-side -f -
  ringfence install --print | kubectl apply --server-side -f -

Uninstall: delete the domains first (ringfence domain delete NAME), so that the controller can clean up, then
  ringfence install --print | kubectl delete -f -

An image needs this binary as its entry point and nothing else; docs/domains.md builds one.

Exit codes: 0 printed, 2 usage.")]
pub(crate) struct Install {
    /// Print the manifests. Required: this command changes nothing by itself.
    #[arg(long, required = true)]
    print: bool,
    /// Image of the controller, best by digest. Without it the controller is not among the manifests.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Namespace of the controller.
    #[arg(long, value_name = "NAME", default_value = ringfence_domain::names::OPERATOR_NAMESPACE)]
    namespace: String,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Write to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How manifests are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Documents with `---` between them.
    #[default]
    Yaml,
    /// One List.
    Json,
}

impl Install {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        if !is_label(&self.namespace, 63) {
            return Err(Usage(format!("`{}` is no name of a namespace", self.namespace)).into());
        }
        if let Some(image) = self.image.as_ref().filter(|it| !is_image(it)) {
            let form = "registry/name:tag, or best registry/name@sha256: and 64 hex digits";
            return Err(Usage(format!("`{image}` is no name of an image; expected {form}")).into());
        }
        let wanted = Wanted {
            namespace: self.namespace.clone(),
            image: self.image.clone().map(Image),
            workloads: ringfence_operator::simulation_reads(),
        };
        let manifests = install(&wanted);
        output::write(self.output.as_deref(), |out| match self.format {
            Format::Yaml => manifests.iter().try_for_each(|it| write!(out, "---\n{}", yaml(it))),
            Format::Json => {
                let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": manifests});
                writeln!(out, "{list:#}")
            }
        })?;
        Ok(ExitCode::Clean)
    }
}

/// Whether kubelets can pull it: the grammar of references (distribution/reference), names in lower case.
fn is_image(text: &str) -> bool {
    let (named, digest) = text.split_once('@').map_or((text, None), |(named, it)| (named, Some(it)));
    let (path, last) = named.rsplit_once('/').map_or((None, named), |(path, last)| (Some(path), last));
    let (last, tag) = last.split_once(':').map_or((last, None), |(last, tag)| (last, Some(tag)));
    let word = |it: &str, more: &[u8]| {
        it.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || more.contains(&byte))
            && it.starts_with(|first: char| first.is_ascii_alphanumeric())
            && it.ends_with(|last: char| last.is_ascii_alphanumeric())
    };
    let is_host = |it: &str| {
        let (host, port) = it.split_once(':').unwrap_or((it, "0"));
        word(&host.to_ascii_lowercase(), b".-") && port.parse::<u16>().is_ok()
    };
    let mut above = path.into_iter().flat_map(|it| it.split('/')).enumerate();
    let is_path = above.all(|(index, it)| word(it, b"._-") || index == 0 && is_host(it));
    let is_tag = |it: &str| {
        (1..=128).contains(&it.len())
            && it.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && !it.starts_with(['.', '-'])
    };
    let is_digest = |it: &str| {
        it.strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    text.len() <= 512
        && is_path
        && word(last, b"._-")
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_from_what_no_kubelet_can_pull() {
        let digest = "0123456789abcdef".repeat(4);
        for good in [
            "ringfence",
            "lab.local/ringfence:1",
            "localhost:5000/team/ring-fence_x:v1.0_RC-1",
            "Registry.Corp/ringfence",
            &format!("registry.corp/ringfence@sha256:{digest}"),
            &format!("registry.corp:443/a/b:1@sha256:{digest}"),
        ] {
            assert!(is_image(good), "{good}");
        }
        for bad in [
            "",
            "bad image",
            "registry.corp/ringfence@sha256:...",
            "registry.corp/Ringfence:1",
            "registry.corp//ringfence",
            "/ringfence",
            "ringfence:",
            "ringfence:-1",
            "registry.corp:port/ringfence",
            "a\nimage: b",
            &format!("ringfence@{digest}"),
        ] {
            assert!(!is_image(bad), "{bad}");
        }
    }
}
