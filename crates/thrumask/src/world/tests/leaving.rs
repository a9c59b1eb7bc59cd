//! Objects that leave the picture.

use super::super::layout::{boxes_of, in_view};
use super::super::*;

const COUNT: u64 = 120;

fn config(leaving: f32) -> WorldConfig {
    WorldConfig { leaving, ..WorldConfig::default() }
}

fn all(leaving: f32) -> Vec<Drawn> {
    (0..COUNT).map(|i| drawn(&config(leaving), Split::Test, i).unwrap()).collect()
}

/// For each object of a scene whether its boxes keep clear of the edge, in order of frames.
fn views(scene: &Scene, roles: &[cast::Role]) -> Vec<Vec<bool>> {
    let boxes = scene.objects.iter().zip(roles).map(|(o, role)| boxes_of(o, role));
    boxes.map(|boxes| boxes.iter().map(in_view).collect()).collect()
}

fn involved(roles: &[cast::Role], index: usize) -> bool {
    let named = |r: &cast::Role| r.action.names_other() && r.other == Some(index);
    roles[index].action.names_other() || roles.iter().any(named)
}

#[test]
fn objects_begin_in_view_and_many_leave_it_but_not_those_that_involve_each_other() {
    let (mut leave, mut gone, mut pairs) = (0, 0, 0);
    for (n, Drawn { scene, roles, leaving, .. }) in all(1.0).into_iter().enumerate() {
        assert!(leaving);
        let masks = scene.masks(96).unwrap();
        let judged = judge::judge_all(&masks);
        for (i, view) in views(&scene, &roles).iter().enumerate() {
            let id = i as u8 + 1;
            assert!(view[0], "scene {n}, object {id}");
            let stays = view.iter().all(|&v| v);
            leave += usize::from(!stays);
            let last = masks.frames().last().unwrap();
            gone += usize::from(!last.ids().contains(&id));
            if involved(&roles, i) {
                pairs += 1;
                assert!(stays, "scene {n}, object {id}: {view:?}");
            }
            // What stays in view does what its words say.
            assert!(!stays || judge::is_right(judged[i].as_ref(), &scene.truth()[i]));
        }
    }
    assert!(leave > 60 && gone > 5 && pairs > 20, "{leave} leave, {gone} wholly; {pairs} involved");
}

#[test]
fn without_leaving_scenes_are_the_same_and_a_share_leaves_them_be() {
    let (usual, some) = (all(0.0), all(0.3));
    let mut free = 0;
    for (usual, some) in usual.iter().zip(&some) {
        assert!(!usual.leaving);
        match some.leaving {
            true => free += 1,
            false => assert_eq!(usual.scene, some.scene),
        }
        assert!(views(&usual.scene, &usual.roles).iter().all(|view| view[0]));
    }
    assert!((20..55).contains(&free), "{free} of {COUNT}");
}

#[test]
fn another_draw_of_what_leaves_may_leave_too_and_begins_alike() {
    let (mut changed, mut leaves) = (0, 0);
    for i in 0..40 {
        let Drawn { scene, roles, .. } = drawn(&config(1.0), Split::Test, i).unwrap();
        let again = another_draw(&config(1.0), Split::Test, i, 1).unwrap();
        assert_eq!(scene.masks(64).unwrap().frames()[0], again.masks(64).unwrap().frames()[0]);
        for (o, (view, (a, b))) in
            views(&again, &roles).iter().zip(scene.objects.iter().zip(&again.objects)).enumerate()
        {
            let differs = a.poses != b.poses;
            changed += usize::from(differs);
            leaves += usize::from(differs && !view.iter().all(|&v| v));
            assert!(!differs || !involved(&roles, o) || view.iter().all(|&v| v));
        }
    }
    assert!(changed > 60 && leaves > 10, "{changed} changed, {leaves} of them leave");
}
