//! `ringfence explain CODE`: the manual page of a control.

use clap::Args;
use ringfence_finding::ControlId;
use ringfence_finding::ControlInfo;
use ringfence_finding::ExitCode;

use crate::cli::Screen;
use crate::cli::ScreenFormat;
use crate::exit::Usage;
use crate::nearest::nearest;
use crate::output;
use crate::terminal;

/// Print the manual page of a control: what it sees, the attack, bad and good, the fix and its side effects.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ringfence explain RF-GPU-005\n  ringfence explain privileged\n\nAll codes: ringfence controls list"
)]
pub(crate) struct Explain {
    /// Code (RF-GPU-005, gpu-5) or name (gpu-without-request) of a control.
    code: String,
    /// Format.
    #[arg(long, value_enum, default_value_t)]
    format: ScreenFormat,
    #[command(flatten)]
    screen: Screen,
}

impl Explain {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let controls = ringfence_controls::info();
        let control = find(&controls, &self.code)?;
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text => {
                let style = terminal::style(self.screen.color, false, false);
                ringfence_report::explain(control, &style, out)
            }
            ScreenFormat::Json => ringfence_report::controls_json(std::slice::from_ref(control), out),
        })?;
        Ok(ExitCode::Clean)
    }
}

/// A control by code or name.
pub(crate) fn find<'c>(controls: &'c [ControlInfo], text: &str) -> Result<&'c ControlInfo, Usage> {
    let id = text.parse::<ControlId>().ok();
    if let Some(control) = controls.iter().find(|control| Some(control.id) == id || control.slug == text) {
        return Ok(control);
    }
    let ids: Vec<String> = controls.iter().map(|control| control.id.to_string()).collect();
    let known = ids.iter().map(String::as_str).chain(controls.iter().map(|control| control.slug));
    let hint = nearest(&id.map_or_else(|| text.to_owned(), |id| id.to_string()), known);
    let hint = hint.map_or_else(String::new, |hint| format!(", did you mean {hint}?"));
    Err(Usage(format!("no control `{text}` in this build{hint}; all of them: ringfence controls list")))
}
