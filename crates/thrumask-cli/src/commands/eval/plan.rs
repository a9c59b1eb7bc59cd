//! `thrumask eval plan`: measures planners.

use anyhow::Result;
use clap::Args;
use thrumask::{
    eval::plans::{self, Suite},
    pipeline::Settings,
    plan::{PlannerKind, planner},
};

use super::Bars;
use crate::{
    options::{PlannerOptions, TalkOptions},
    terminal,
};

/// Judge a planner on captions with plans written by hand.
///
/// Prints, for each suite, the share of plans that are exact, precision, recall and F1 of the objects
/// (by the noun of their name; with prompts: by noun and prompt), and how often the rules had to plan
/// in place of a language model.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask eval plan
  thrumask eval plan --planner llm --llm-model llama3.1:8b --misses
  thrumask eval plan --suite my-plans.json --json")]
pub struct Plan {
    /// Suites: developed, held-out, paper, or a JSON file with a list of plans (plan.json's form).
    #[arg(long = "suite", value_name = "NAME|FILE", default_values_t = Suite::NAMES.map(str::to_owned))]
    suites: Vec<String>,
    /// Also print the plans that are not the wanted ones.
    #[arg(long)]
    misses: bool,
    #[command(flatten)]
    planner: PlannerOptions,
    #[command(flatten)]
    talk: TalkOptions,
}

impl Plan {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let suites = self.suites.iter().map(|name| Suite::open(name));
        let suites = suites.collect::<thrumask::Result<Vec<_>>>()?;
        let settings = Settings::default().overlaid("command line", &self.planner.typed()?)?;
        let llm = (settings.planner == PlannerKind::Llm).then_some(&settings.llm);
        let planner = planner(llm)?;
        let mut bars = Bars::new(self.talk.reporter());
        let judged = suites.iter().map(|suite| plans::judge(&*planner, suite, &mut bars));
        let judged = judged.collect::<thrumask::Result<Vec<_>>>()?;
        if self.talk.json {
            return terminal::print_json(&judged);
        }
        let mut text = plans::to_markdown(&judged);
        for miss in judged.iter().flat_map(|judged| &judged.misses).filter(|_| self.misses) {
            let wanted = serde_json::to_string_pretty(&miss.wanted)?;
            let got = serde_json::to_string_pretty(&miss.got)?;
            text.push_str(&format!("\nwanted {wanted}\ngot {got}\n"));
        }
        terminal::print(&text)
    }
}
