//! Scenes whose objects are called what no model has read.

use std::collections::BTreeMap;

use thrumask_core::PromptPlan;

/// Names of nothing, in no language model's vocabulary.
const INVENTED: [&str; 4] = ["wug", "dax", "fep", "zib"];

/// The plan with an invented noun for each noun of its objects' names. What tells twins apart stays: "the left wug". The
/// caption stays too; stage 1 does not read it.
pub fn renamed(plan: &PromptPlan) -> PromptPlan {
    let mut nouns: BTreeMap<String, &str> = BTreeMap::new();
    for object in &plan.objects {
        let noun = object.name.split(' ').next_back().unwrap_or_default();
        let next = INVENTED[nouns.len() % INVENTED.len()];
        nouns.entry(noun.to_lowercase()).or_insert(next);
    }
    let say = |text: &str| {
        let words = text.split(' ').map(|word| {
            let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            let marks = &word[bare.len()..];
            match nouns.get(&bare.to_lowercase()) {
                Some(invented) => format!("{invented}{marks}"),
                None => word.to_owned(),
            }
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let mut plan = plan.clone();
    plan.motion = say(&plan.motion);
    for object in &mut plan.objects {
        (object.name, object.prompt) = (say(&object.name), say(&object.prompt));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::renamed;
    use crate::plan::{Planner, RulePlanner};

    #[test]
    fn every_noun_has_another_name() {
        let caption = "The left dog jumps, the right dog chases the ball and a red car spins.";
        let plan = renamed(&RulePlanner.plan(caption).unwrap());
        assert_eq!(
            plan.motion,
            "The left wug jumps, the right wug chases the dax and the fep spins."
        );
        let names: Vec<&str> = plan.objects.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["left wug", "right wug", "dax", "fep"]);
        assert_eq!(plan.objects[3].prompt, "The red fep spins.");
    }
}
