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
///
/// Of a class of threats that `ringfence model scan` finds it prints what can happen.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ringfence explain RF-GPU-005\n  ringfence explain privileged\n  ringfence explain RF-MOD-101\n\nAll codes: ringfence controls list"
)]
pub(crate) struct Explain {
    /// Code (RF-GPU-005, gpu-5) or name (gpu-without-request) of a control, or of a class of threats in models.
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
        let control = match find(&controls, &self.code) {
            Ok(control) => control,
            Err(error) => {
                #[cfg(feature = "models")]
                if let Some(threat) = threat(&self.code) {
                    return self.explain_threat(threat);
                }
                return Err(error.into());
            }
        };
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

#[cfg(feature = "models")]
impl Explain {
    fn explain_threat(&self, threat: &ringfence_model::Threat) -> anyhow::Result<ExitCode> {
        let (id, name, why) = (threat.id(), threat.title, threat.why);
        output::to_stdout(|out| match self.format {
            ScreenFormat::Text => {
                let style = terminal::style(self.screen.color, false, false);
                ringfence_report::explain_threat(id, name, why, &style, out)
            }
            ScreenFormat::Json => ringfence_report::threat_json(id, name, why, out),
        })?;
        Ok(ExitCode::Clean)
    }
}

/// A class of threats that `model scan` finds, by code or name.
#[cfg(feature = "models")]
fn threat(text: &str) -> Option<&'static ringfence_model::Threat> {
    let id = text.parse::<ControlId>().ok();
    ringfence_model::THREATS.iter().find(|threat| Some(threat.id()) == id || threat.title == text)
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
    let hint = hint.map_or_else(String::new, |hint| format!(" (did you mean {hint}?)"));
    Err(Usage(format!("no control `{text}` in this build{hint}; all of them: ringfence controls list")))
}
