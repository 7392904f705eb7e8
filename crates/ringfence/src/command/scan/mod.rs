//! `ringfence scan [PATH]`: a cluster or files -> inventory -> findings -> verdict -> formats.

#[cfg(feature = "cluster")]
pub(crate) mod cluster;
mod formats;
mod lay;
#[cfg(feature = "cluster")]
mod role;
mod source;
mod verdict;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::ArgMatches;
use clap::Args;
use ringfence_controls::Control;
use ringfence_controls::Need;
use ringfence_controls::PriceTable;
use ringfence_finding::ExitCode;
use ringfence_finding::Family;
use ringfence_finding::Severity;

use formats::Formats;

use crate::cli::Color;
use crate::command::explain;
use crate::exit;
use crate::exit::Usage;
use crate::exit::Wrong;
use crate::nearest::nearest;
use crate::output;
use crate::terminal;

/// Bytes of a price table; there are not so many GPUs.
const MAX_PRICES: u64 = 1 << 20;

/// Show the open doors of an AI platform: of a live cluster, or of its manifests.
///
/// Without a path it reads the cluster that kubectl would talk to: it lists, it changes nothing, and it reads no Secret.
/// With paths it reads files, folders and standard input: YAML, JSON, kubectl dumps and Lists. It finds every pod, also
/// inside RayClusters, PyTorchJobs, InferenceServices and kinds nobody has heard of, and says whether the door to the
/// GPUs, models, data and keys is open, what that costs per hour, and where to close it.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "Examples:
  ringfence scan                                 the cluster of the current context
  ringfence scan --context prod -n ml-serving    one namespace of another
  ringfence scan --save prod.ringfence           ... and keep what was seen, keys masked
  ringfence scan prod.ringfence                  the same, later and without the cluster
  ringfence scan new/ --on-cluster               manifests, as if they were applied
  ringfence scan --print-rbac                    the smallest role that a scan needs
  ringfence scan demo/open                       a folder
  ringfence scan platform.yaml -v                a file, every finding with its place
  kubectl get all,cm,netpol -A -o json | ringfence scan -
  helm template chart/ --include-crds | ringfence scan -
  ringfence scan k8s/ --format sarif -o ringfence.sarif --format text

Exit codes: 0 clean, 1 findings at or above --fail-on, 2 usage, 3 something could not be looked at, 5 internal error.")]
pub(crate) struct Scan {
    /// Files, folders or saved scans; `-` reads standard input; `cluster` or nothing reads the live cluster.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Judge the files as if they were applied to the cluster: its nodes, policies, rights and namespaces count.
    #[cfg(feature = "cluster")]
    #[arg(long, requires = "paths")]
    on_cluster: bool,
    /// Keep what was seen of the cluster in a file that `scan FILE` reads; values of keys are not in it.
    #[cfg(feature = "cluster")]
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Print the smallest ClusterRole that a scan of a cluster needs, and stop.
    #[cfg(feature = "cluster")]
    #[arg(long, conflicts_with_all = ["paths", "save", "on_cluster"])]
    print_rbac: bool,
    #[command(flatten)]
    formats: Formats,
    /// Severity from which findings make exit code 1: info, low, medium, high or critical.
    #[arg(long, default_value = "high", env = "RINGFENCE_FAIL_ON", hide_env = true, value_name = "SEVERITY")]
    fail_on: Severity,
    /// Judge by these controls only: codes, names or families (RF-GPU-005, privileged, NET). Printed with the result.
    #[arg(long, value_delimiter = ',', value_name = "CONTROL")]
    only: Vec<String>,
    /// Leave out paths that match a glob (`vendor/**`, `*.json`). Counted and printed with the result.
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Of a cluster: only this namespace; repeat it for several. Of files: the namespace of objects that name none.
    #[arg(short, long, value_name = "NAME")]
    namespace: Vec<String>,
    /// Of a cluster: only workloads whose labels match (`app=vllm,tier!=dev`).
    #[cfg(feature = "cluster")]
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// The files are a part of their namespaces: conclude nothing from what is not there.
    #[arg(long)]
    partial: bool,
    /// Count a missing fact as incomplete (exit 3): bindings, nodes, roles or storage-classes.
    #[arg(long, value_delimiter = ',', value_name = "FACT")]
    require: Vec<String>,
    /// Exit 0 even where something could not be looked at; it is still printed.
    #[arg(long)]
    allow_incomplete: bool,
    /// Price table in place of the built-in one (see data/prices.yaml for the form).
    #[arg(long, env = "RINGFENCE_PRICES", hide_env = true, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Largest file that is read, in bytes.
    #[arg(long, default_value_t = 64 << 20, value_name = "BYTES")]
    max_file_size: u64,
    /// Every finding with its lines, and everything that was and was not looked at.
    #[arg(short, long)]
    verbose: bool,
    /// One line.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    #[command(flatten)]
    screen: crate::cli::Screen,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: cluster::ClusterArgs,
}

impl Scan {
    pub(crate) fn run(&self, matches: Option<&ArgMatches>) -> anyhow::Result<ExitCode> {
        #[cfg(feature = "cluster")]
        if self.print_rbac {
            output::to_stdout(|out| role::write(&ringfence_inventory::plan(), out))?;
            return Ok(ExitCode::Clean);
        }
        let start = Instant::now();
        let formats = self.formats.pairs(matches)?;
        self.spares(formats.iter().filter_map(|(_, file)| file.as_deref()))?;
        let controls = self.controls()?;
        let needs = self.needs()?;
        let prices = self.price_table()?;
        let source::Read { source, mut inventory, before } = self.read()?;
        let missing = verdict::missing(&inventory, &needs, &source);
        inventory.coverage.blind.extend(missing);
        inventory.coverage.blind.sort();
        let mut judgement = ringfence_controls::judge(&inventory, &controls);
        if let Some(before) = before {
            let before = ringfence_controls::judge(&before, &controls);
            let effect = lay::keep_the_change(&mut judgement.findings, &before.findings);
            inventory.coverage.blind.push(effect.words());
        }
        let assessment = ringfence_controls::assess(&inventory, &judgement, &prices);
        let found = ringfence_controls::found(&inventory, &judgement);
        let mut info = ringfence_controls::info();
        info.retain(|info| controls.iter().any(|control| control.meta.id == info.id));
        let scan = ringfence_finding::Scan {
            source,
            narrowed: self.narrowed(),
            found,
            exit: verdict::exit(
                &judgement.findings,
                &inventory.coverage,
                self.fail_on,
                self.allow_incomplete,
            ),
            coverage: inventory.coverage,
            assessment,
            findings: judgement.findings,
            controls: info,
            fail_on: self.fail_on,
            seconds: start.elapsed().as_secs_f64(),
        };
        let written = formats.into_iter().try_for_each(|(format, file)| {
            let color = if file.is_some() { Color::Never } else { self.screen.color };
            let style = terminal::style(color, self.verbose, self.quiet);
            output::write(file.as_deref(), |out| ringfence_report::write(&scan, format, &style, out))
        });
        exit::after(scan.exit, written)
    }

    fn controls(&self) -> Result<Vec<&'static Control>, Usage> {
        let all = ringfence_controls::catalogue();
        if self.only.is_empty() {
            return Ok(all);
        }
        let info = ringfence_controls::info();
        let mut wanted = Vec::new();
        for text in &self.only {
            match Family::ALL.into_iter().find(|family| family.as_str().eq_ignore_ascii_case(text)) {
                Some(family) => {
                    wanted.extend(info.iter().filter(|info| info.id.family == family).map(|info| info.id));
                }
                None => wanted.push(explain::find(&info, text)?.id),
            }
        }
        Ok(all.into_iter().filter(|control| wanted.contains(&control.meta.id)).collect())
    }

    fn needs(&self) -> Result<Vec<Need>, Usage> {
        let known = || Need::ALL.into_iter().map(Need::as_str);
        let named = self.require.iter().map(|text| {
            Need::ALL.into_iter().find(|need| need.as_str() == text).ok_or_else(|| {
                let hint =
                    nearest(text, known()).map_or_else(String::new, |hint| format!(", did you mean {hint}?"));
                Usage(format!(
                    "--require: no fact `{text}`{hint}; known are {}",
                    known().collect::<Vec<_>>().join(", ")
                ))
            })
        });
        named.collect()
    }

    fn price_table(&self) -> anyhow::Result<PriceTable> {
        let Some(path) = &self.prices else { return Ok(PriceTable::embedded()) };
        let text = ringfence_inventory::read_named_text(path, MAX_PRICES)
            .map_err(|error| Wrong::new(format!("--prices {}", path.display()), error))
            .context("no price table")?;
        Ok(PriceTable::parse(&text).map_err(|error| Usage(format!("--prices {}:{error}", path.display())))?)
    }

    fn narrowed(&self) -> Vec<String> {
        let mut narrowed: Vec<String> = self.exclude.iter().map(|glob| format!("--exclude {glob}")).collect();
        #[cfg(feature = "cluster")]
        if self.is_of_cluster() {
            narrowed.extend(self.namespace.iter().map(|name| format!("--namespace {name}")));
            narrowed.extend(self.selector.iter().map(|selector| format!("--selector {selector}")));
        }
        if !self.only.is_empty() {
            narrowed.push(format!("--only {}", self.only.join(",")));
        }
        if self.partial {
            narrowed.push("--partial".to_owned());
        }
        narrowed
    }
}
