//! `ringfence install --print`: what is installed once, as manifests.

use std::path::PathBuf;

use clap::Args;
use clap::ValueEnum;
use ringfence_domain::Image;
use ringfence_domain::Install as Wanted;
use ringfence_domain::install;
use ringfence_domain::yaml;
use ringfence_finding::ExitCode;

use crate::output;

/// Print what is installed once: the definition of SecurityDomain, the roles of people, account and rights of the
/// controller, and the controller itself.
///
/// Nothing is sent anywhere: read it, then apply it with kubectl. The same command prints what an uninstall removes.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ringfence install --print --image registry.corp/ringfence@sha256:... | kubectl apply --server-side -f -
  ringfence install --print | kubectl apply --server-side -f -      without the controller: run it elsewhere

Uninstall: delete the domains first (ringfence domain delete NAME), so that the controller can clean up, then
  ringfence install --print | kubectl delete -f -")]
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
