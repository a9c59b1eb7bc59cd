//! The report of a comparison, as JSON, Markdown and HTML.

use serde::{Deserialize, Serialize};

use super::{
    Method, PaperConfig, Training,
    judging::PARTS,
    published::{Backbone, Published, ablation, figures as published},
    tables::{COLUMNS, Group, REFERENCE, REFERENCES},
};
use crate::{
    eval::{Measure, Part, bootstrap::Estimate, report::measure_heads},
    page::Page,
    world::WorldConfig,
};

/// Version of the report's JSON; it counts up when a field or the meaning of a figure changes.
pub const VERSION: u32 = 2;

/// Everything that was measured, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Version of the program.
    pub program: String,
    /// What was compared.
    pub config: PaperConfig,
    /// The scenes.
    pub world: WorldConfig,
    /// The figures.
    pub groups: Vec<Group>,
}

impl Report {
    pub(super) fn new(config: &PaperConfig, world: &WorldConfig, groups: Vec<Group>) -> Self {
        let program = env!("CARGO_PKG_VERSION").to_owned();
        let (config, world) = (config.clone(), world.clone());
        Self { version: VERSION, program, config, world, groups }
    }

    /// The report in Markdown.
    pub fn to_markdown(&self) -> String {
        self.page().to_markdown()
    }

    /// The report as one page of HTML; contact sheets are files beside it.
    pub fn to_html(&self) -> String {
        self.page().to_html()
    }

    fn page(&self) -> Page {
        let mut page = Page::default();
        page.heading(1, "The paper's comparisons on the world");
        page.list(self.preamble());
        for group in &self.groups {
            let (crowd, scenes) = (group.crowd.words(), group.scenes);
            page.heading(2, format!("{crowd} ({scenes} scenes)"));
            for part in PARTS {
                figures(&mut page, group, part);
                for reference in REFERENCES {
                    differences(&mut page, group, part, reference);
                }
            }
            if self.config.shown > 0 {
                page.paragraph("The first scenes, from the caption, with the first seed:");
                let name = format!("sheet-{:?}.png", group.crowd).to_lowercase();
                page.image(format!("the first scenes with {crowd}"), name);
            }
        }
        page.heading(2, "Beside the paper");
        beside_the_paper(&mut page, &self.groups);
        ablations(&mut page, &self.groups);
        page
    }

    fn preamble(&self) -> Vec<String> {
        let (config, world) = (&self.config, &self.world);
        let seeds: Vec<String> = config.seeds.iter().map(u64::to_string).collect();
        let told = |name: &str, t: &Training| {
            let with = if t.set.is_empty() { "" } else { " with " };
            format!("{name}: {}{with}{}", t.config.display(), t.set.join(", "))
        };
        vec![
            told("stage 1", &config.motion),
            told("stage 2, its ablations and TI2V", &config.video),
            told("the classifier of the world", &config.classifier),
            told("the flow variant's autoencoder, on flow too", &config.flow_autoencoder),
            format!(
                "training seeds {}; {} frames of {} pixels; held-out scenes; every method has the \
                 true first masks, and the same noise in a scene",
                seeds.join(", "),
                world.frames,
                world.size
            ),
            "in brackets 95 % intervals (bootstrap over scenes and training seeds); p from a paired \
             permutation test over scenes, for these trainings, corrected by Holm's method for all of a \
             table; none of the distance, for which so many exchanges would take hours"
                .into(),
            "the distance is the Fréchet distance of features of a classifier trained on this world. \
             It is not FVD, and no figure here can be compared with one of the paper's by its size"
                .into(),
        ]
    }
}

fn title(part: Part) -> &'static str {
    match part {
        Part::Video => "Stage 2 alone, on true trajectories",
        _ => "From the caption to the video",
    }
}

/// The columns of which a part has figures.
fn columns(group: &Group, part: Part) -> Vec<Measure> {
    let rows = || group.rows.iter().filter(|r| r.part == part);
    let has = |m: &Measure| rows().any(|r| r.figures.contains_key(m));
    COLUMNS.into_iter().filter(has).collect()
}

fn figures(page: &mut Page, group: &Group, part: Part) {
    let columns = columns(group, part);
    let rows = group.rows.iter().filter(|r| r.part == part).map(|row| {
        let cell = |m: &Measure| row.figures.get(m).map_or(String::new(), |e| number(*m, e));
        [row.method.words().to_owned()].into_iter().chain(columns.iter().map(cell)).collect()
    });
    page.heading(3, title(part));
    page.table(measure_heads(&columns), rows.collect());
}

fn differences(page: &mut Page, group: &Group, part: Part, reference: Method) {
    let columns = columns(group, part);
    let mut rows = Vec::new();
    for method in Method::ALL {
        let cell = |m: &Measure| {
            group.comparison(part, [method, reference], *m).map_or(String::new(), |c| {
                let (agree, of) = c.difference.seeds_agree;
                let p = match c.corrected {
                    None => String::new(),
                    Some(p) if p < 0.001 => "p < .001; ".to_owned(),
                    Some(p) => format!("p = {p:.3}; "),
                };
                format!("{}; {p}{agree}/{of}", signed(*m, &c.difference.by))
            })
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        if cells.iter().any(|c| !c.is_empty()) {
            rows.push([method.words().to_owned()].into_iter().chain(cells).collect());
        }
    }
    if rows.is_empty() {
        return;
    }
    page.paragraph(format!(
        "Less the figure of {} (in brackets the interval; p; training seeds of which the difference \
         has this sign):",
        reference.words()
    ));
    page.table(measure_heads(&columns), rows);
}

fn digits(measure: Measure) -> usize {
    match measure {
        Measure::Displacement | Measure::Distance => 2,
        _ => 3,
    }
}

fn number(measure: Measure, e: &Estimate) -> String {
    let n = digits(measure);
    format!("{:.n$} [{:.n$}, {:.n$}]", e.mean, e.low, e.high)
}

fn signed(measure: Measure, e: &Estimate) -> String {
    let n = digits(measure);
    format!("{:+.n$} [{:+.n$}, {:+.n$}]", e.mean, e.low, e.high)
}

/// Our measure that stands beside one of the paper's.
fn ours(measure: Published) -> Measure {
    match measure {
        Published::Fvd => Measure::Distance,
        Published::Frames => Measure::Consistency,
        Published::Text => Measure::Alignment,
        Published::Picture => Measure::FirstSsim,
        Published::Motion => Measure::Displacement,
    }
}

/// What our difference, a method's figure less that of TTM, says of TTM.
fn verdict(
    group: &Group,
    method: Method,
    measure: Measure,
    smaller_is_better: Option<bool>,
) -> Option<Verdict> {
    let c = group.comparison(Part::Chained, [method, REFERENCE], measure)?;
    if !c.difference.is_clear() {
        return Some(Verdict::Unclear);
    }
    Some(Verdict::of(c.difference.by.mean > 0.0, smaller_is_better))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Better,
    Worse,
    /// Of what is neither.
    Less,
    More,
    Unclear,
}

impl Verdict {
    /// Of TTM, whose figure is the smaller one or not.
    fn of(smaller: bool, smaller_is_better: Option<bool>) -> Self {
        match smaller_is_better {
            Some(better) if better == smaller => Self::Better,
            Some(_) => Self::Worse,
            None if smaller => Self::Less,
            None => Self::More,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Less => "less",
            Self::More => "more",
            Self::Unclear => "no clear difference",
        }
    }

    fn agreement(self, paper: Self) -> &'static str {
        match (self, paper) {
            (Self::Unclear, _) => "undecided",
            (a, b) if a == b => "agrees",
            _ => "**disagrees**",
        }
    }
}

fn beside_the_paper(page: &mut Page, groups: &[Group]) {
    page.paragraph(
        "TI2V against Through-The-Mask with its two backbones (Table 1), and which of our measures \
         stands in the place of each of its own; of AD and displacement neither more nor less is \
         better. TTM is:",
    );
    let mut rows = Vec::new();
    for group in groups {
        for measure in Published::ALL {
            let small = measure.smaller_is_better();
            let Some(here) = verdict(group, Method::Ti2v, ours(measure), small) else { continue };
            let of = |backbone| published(backbone, group.crowd, measure);
            let [unet, dit] = [Backbone::UNet, Backbone::Dit].map(of);
            // Both backbones of the paper say the same of each measure.
            let there = Verdict::of(dit[1] < dit[0], small);
            let told = |[ti2v, ttm]: [f64; 2]| format!("{ti2v}, {ttm}");
            rows.push(vec![
                group.crowd.words().to_owned(),
                measure.word().to_owned(),
                told(unet),
                told(dit),
                there.words().to_owned(),
                ours(measure).word().to_owned(),
                here.words().to_owned(),
                here.agreement(there).to_owned(),
            ]);
        }
    }
    let head = [
        "objects",
        "its measure",
        "U-Net: TI2V, TTM",
        "DiT: TI2V, TTM",
        "there",
        "our measure",
        "here",
        "sign",
    ];
    page.table(head.map(str::to_owned).to_vec(), rows);
}

fn ablations(page: &mut Page, groups: &[Group]) {
    page.paragraph(
        "The ablations (Table 4) and flow (Table 3), by the FVD of its U-Net and DiT, all scenes \
         together, beside our distance. TTM against each:",
    );
    let Some((unet_both, dit_both)) = ablation(REFERENCE) else { return };
    let mut rows = Vec::new();
    for method in Method::ALL {
        let Some((unet, dit)) = ablation(method) else { continue };
        let better = match (dit, dit_both) {
            (Some(dit), Some(both)) => both < dit,
            _ => unet_both < unet,
        };
        for group in groups {
            let row = group.row(Part::Chained, method);
            let Some(e) = row.and_then(|r| r.figures.get(&Measure::Distance)) else { continue };
            let (there, here) = match method == REFERENCE {
                true => (None, None),
                false => {
                    let here = verdict(group, method, Measure::Distance, Some(true));
                    (Some(Verdict::of(better, Some(true))), here)
                }
            };
            let word = |v: Option<Verdict>| v.map_or("", Verdict::words).to_owned();
            let sign = here.zip(there).map_or("", |(here, there)| here.agreement(there));
            rows.push(vec![
                method.words().to_owned(),
                unet.to_string(),
                dit.map_or("–".to_owned(), |v| v.to_string()),
                word(there),
                group.crowd.words().to_owned(),
                number(Measure::Distance, e),
                word(here),
                sign.to_owned(),
            ]);
        }
    }
    let head = ["", "FVD, U-Net", "FVD, DiT", "there", "objects", "distance here", "here", "sign"];
    page.table(head.map(str::to_owned).to_vec(), rows);
}
