use thrumask_core::Size;

use super::*;

fn asked(name: &str, prompt: &str) -> Asked {
    Asked::of(&ObjectPrompt { name: name.into(), prompt: prompt.into() })
}

/// A box of 20 by 20 pixels.
fn at(x: f32, y: f32, fit: f32) -> Detection {
    Detection { bounds: [x, y, x + 20.0, y + 20.0], score: fit, fit }
}

/// Where the chosen boxes begin.
fn lefts(picture: &Picture, asked: &[Asked], candidates: &[Vec<Detection>]) -> Vec<Option<f32>> {
    let left = |choice: Choice| match choice {
        Choice::Box(d) | Choice::OneOf(d, _) => Some(d.bounds[0]),
        Choice::Taken | Choice::None => None,
    };
    choose(picture, asked, candidates).into_iter().map(left).collect()
}

fn grey() -> Picture {
    Picture::filled(Size::new(200, 100), [130; 3])
}

#[test]
fn what_is_asked() {
    for (name, prompt, query) in [
        ("right car", "The red car speeds away.", "red car"),
        ("left car", "The black car moves forward slowly.", "black car"),
        ("second parrot", "The parrot flies.", "parrot"),
        ("blue ball", "The ball rolls under the red car.", "blue ball"),
        ("car", "The shiny red sports car turns.", "red car"),
        ("left", "It moves.", "left"),
        ("the other dog", "The dog barks.", "dog"),
        ("cat", "A white dog looks at a cat.", "cat"),
    ] {
        assert_eq!(asked(name, prompt).query, query);
    }
}

#[test]
fn sides_tell_boxes_apart() {
    let cars = vec![at(150.0, 30.0, 0.9), at(10.0, 40.0, 0.5), at(80.0, 20.0, 0.6)];
    let names = ["left car", "right car", "middle car"];
    let all: Vec<Asked> = names.iter().map(|name| asked(name, "It moves.")).collect();
    let found = lefts(&grey(), &all, &vec![cars.clone(); 3]);
    assert_eq!(found, [Some(10.0), Some(150.0), Some(80.0)]);
    for (name, expected) in
        [("left car", 10.0), ("rightmost car", 150.0), ("top car", 80.0), ("front car", 10.0)]
    {
        let one = [asked(name, "It moves.")];
        assert_eq!(lefts(&grey(), &one, std::slice::from_ref(&cars)), [Some(expected)], "{name}");
    }
    // Far from plausible ones, a box is no "left car".
    let weak = vec![at(150.0, 30.0, 0.9), at(80.0, 20.0, 0.8), at(0.0, 0.0, 0.3)];
    assert_eq!(lefts(&grey(), &[asked("left car", "")], &[weak]), [Some(80.0)]);
}

#[test]
fn numbers_count_from_the_left() {
    let birds = vec![at(90.0, 0.0, 0.5), at(10.0, 60.0, 0.6), at(170.0, 30.0, 0.7)];
    let all = ["third bird", "first bird", "second bird"].map(|name| asked(name, "It flies."));
    let found = lefts(&grey(), &all, &vec![birds; 3]);
    assert_eq!(found, [Some(170.0), Some(10.0), Some(90.0)]);
}

#[test]
fn colours_are_looked_at() {
    let mut picture = grey();
    for (x0, colour) in [(10, [210, 30, 35]), (100, [20, 22, 28])] {
        for (x, y) in (x0..x0 + 20).flat_map(|x| (30..50).map(move |y| (x, y))) {
            picture.set_pixel(x, y, colour);
        }
    }
    // The detector cannot tell.
    let boxes = vec![at(10.0, 30.0, 0.6), at(100.0, 30.0, 0.6)];
    let all = [asked("black car", "It turns."), asked("car", "The red car turns.")];
    assert_eq!(lefts(&picture, &all, &vec![boxes; 2]), [Some(100.0), Some(10.0)]);
}

#[test]
fn a_box_is_one_object_and_what_is_left_is_said() {
    let one = vec![at(10.0, 30.0, 0.6)];
    let both = [asked("left car", "It turns."), asked("right car", "It turns.")];
    let found = choose(&grey(), &both, &vec![one.clone(); 2]);
    assert!(found.contains(&Choice::Taken), "{found:?}");
    assert!(found.iter().any(|choice| matches!(choice, Choice::Box(_))), "{found:?}");
    assert_eq!(choose(&grey(), &both[..1], &[vec![]]), [Choice::None]);
    // Two boxes of one thing are one.
    let twice = vec![at(10.0, 30.0, 0.6), at(11.0, 31.0, 0.55)];
    let found = choose(&grey(), &[asked("car", "It turns.")], &[twice]);
    assert_eq!(found, [Choice::Box(at(10.0, 30.0, 0.6))]);
    let two = vec![at(10.0, 30.0, 0.6), at(90.0, 31.0, 0.55)];
    let found = choose(&grey(), &[asked("car", "It turns.")], &[two]);
    assert_eq!(found, [Choice::OneOf(at(10.0, 30.0, 0.6), vec![0.6, 0.55])]);
    assert!(choose(&grey(), &[], &[]).is_empty());
}

#[test]
fn everyone_gets_a_box_where_that_can_be() {
    // The first is worth more to both, but only the second can have nothing else.
    let worth = [vec![Some(1.0), Some(0.1)], vec![Some(0.9), None]];
    assert_eq!(share_out(&worth), [Some(1), Some(0)]);
    let worth = [vec![Some(0.5), Some(0.4), None], vec![Some(0.9), Some(0.1), Some(0.85)]];
    assert_eq!(share_out(&worth), [Some(0), Some(2)]);
    assert_eq!(share_out(&[vec![], vec![]]), [None, None]);
    // Against all ways to share out.
    for seed in 0..200usize {
        let value = |i: usize, j: usize| {
            let drawn = (seed * 7919 + i * 104_729 + j * 1_299_709 + 31) * 2_654_435_761 % 1000;
            (drawn > 250).then_some(drawn as f32 / 1000.0)
        };
        let worth: Vec<Vec<Option<f32>>> =
            (0..3).map(|i| (0..4).map(|j| value(i, j)).collect()).collect();
        let mut best = (0, 0.0f32);
        for code in 0..125 {
            let picks = [code % 5, code / 5 % 5, code / 25];
            let own: Vec<(usize, usize)> =
                picks.into_iter().enumerate().filter(|(_, j)| *j < 4).collect();
            let apart = own.iter().all(|a| own.iter().all(|b| a.0 == b.0 || a.1 != b.1));
            let sum: Option<f32> = own.iter().map(|&(i, j)| worth[i][j]).sum();
            if let (true, Some(sum)) = (apart, sum) {
                let next = (own.len(), sum);
                best = if next.0 > best.0 || (next.0 == best.0 && next.1 > best.1) {
                    next
                } else {
                    best
                };
            }
        }
        let own = share_out(&worth);
        let given: Vec<f32> =
            own.iter().enumerate().filter_map(|(i, j)| j.and_then(|j| worth[i][j])).collect();
        assert!(
            given.len() == best.0 && (given.iter().sum::<f32>() - best.1).abs() < 1e-4,
            "{seed}"
        );
    }
}
