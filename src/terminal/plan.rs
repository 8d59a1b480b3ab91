//! `timbre plan`.

use clap::Args;

use super::{Failure, describe, options::RequestOptions, print, print_json, say};
use crate::{config::Export, plan, request::Request};

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
    pub(super) fn run(self) -> Result<(), Failure> {
        let (wire, ..) = self.request.into_request(false, None)?;
        let plan = plan::plan(&Request::new(wire, &self.export.defaults())?)?;
        for warning in plan.warnings() {
            say(&format!("warning: {warning}"));
        }
        if self.json {
            return print_json(&plan.to_wire());
        }
        print(&format!("{}\n{}", describe::plan(&plan), describe::understanding(&plan)))
    }
}
