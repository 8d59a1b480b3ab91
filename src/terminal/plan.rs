//! `timbre plan`.

use clap::Args;

use super::{Failure, describe, options::RequestOptions, print, print_json, say};
use crate::{
    app,
    config::{Export, Rendering},
    plan,
    request::Request,
};

/// What to plan.
#[derive(Clone, Debug, Args)]
pub(super) struct MakePlan {
    #[command(flatten)]
    request: RequestOptions,
    /// Print the plan as JSON, to be edited and given back with --plan.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    export: Export,
}

impl MakePlan {
    pub(super) fn run(self, rendering: &Rendering) -> Result<(), Failure> {
        let (wire, ..) = self.request.into_request(false, None)?;
        let request = Request::new(wire, &self.export.defaults())?;
        let chosen = app::engines(rendering)?.choose(&request);
        // One that no engine renders here is planned all the same.
        let settled = chosen.as_ref().map_or_else(|_| request.clone(), |chosen| chosen.settle(&request));
        let plan = plan::plan(&settled)?;
        for warning in plan.warnings() {
            say(&format!("warning: {warning}"));
        }
        match &chosen {
            Ok(chosen) => say(&format!("planned for {} ({})", chosen.engine.name(), chosen.reason)),
            Err(error) => say(&format!("warning: {error}")),
        }
        if self.json {
            return print_json(&plan.to_wire());
        }
        print(&format!("{}\n{}", describe::plan(&plan), describe::understanding(&plan)))
    }
}
