use super::*;

fn config() -> WorldConfig {
    WorldConfig::default()
}

#[test]
fn the_rule_agrees_with_the_truth() {
    for (split, count) in [(Split::Test, 200), (Split::Compositional, 100)] {
        for i in 0..count {
            let scene = scene(&config(), split, i).unwrap();
            let masks = scene.masks(96).unwrap();
            let judged = judge::judge_all(&masks);
            for (j, t) in judged.iter().zip(scene.truth()) {
                assert!(judge::is_right(j.as_ref(), &t), "{split:?} {i}: {j:?}, {t:?}");
            }
        }
    }
}
