use std::fs;

use thrumask_core::{LabelMap, Picture, Size};

use super::*;
use crate::progress::Silent;

/// A red square of a quarter of the picture that goes right, over blue, and a green one that grows behind it.
const TWO: &str = r##"
[[collage]]
name = "two"
caption = "The red square moves right, and the green one grows."
background = { draw = [{ slab = [0, 0, 1, 1, 0], fill = "#2040c0" }] }
[[collage.object]]
name = "green square"
prompt = "The green square grows."
scale = 0.25
grow = 2.0
path = [[0.75, 0.5], [0.75, 0.5]]
cut = { draw = [{ slab = [-0.5, -0.5, 1, 1, 0], fill = "#20c040" }] }
[[collage.object]]
name = "red square"
prompt = "The red square moves right."
scale = 0.25
path = [[0.25, 0.5, 0], [0.5, 0.5, 0.5], [0.75, 0.5, 1]]
cut = { draw = [{ slab = [-0.5, -0.5, 1, 1, 0], fill = "#c02020" }] }
"##;

fn read(text: &str) -> thrumask_core::Result<Vec<Collage>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collages.toml");
    fs::write(&path, text).unwrap();
    Ok(Collages::read(&path)?.collage)
}

fn scene(text: &str, root: &Path) -> thrumask_core::Result<Scene> {
    Scene::new(&read(text)?[0], &mut Album::new(root), 48, 11, 8.0)
}

#[test]
fn objects_are_where_the_file_says_and_the_last_is_the_nearest() {
    let (clip, masks) = scene(TWO, Path::new(".")).unwrap().play().unwrap();
    let column = |labels: &LabelMap, id: u8| labels.box_of(id).map(|b| (b.x0, b.x1));
    let frames = masks.frames();
    assert_eq!([column(&frames[0], 1), column(&frames[0], 2)], [Some((30, 42)), Some((6, 18))]);
    assert_eq!(column(&frames[5], 2), Some((18, 30)));
    // Twice as large at the end, and hidden behind the nearer one but for its rim.
    assert_eq!([column(&frames[10], 1), column(&frames[10], 2)], [Some((24, 48)), Some((30, 42))]);
    assert_eq!(frames[10].area_of(1), 24 * 24 - 12 * 12);
    assert_eq!(clip.frames()[10].pixel(36, 24), [192, 32, 32]);
    assert_eq!(clip.frames()[10].pixel(26, 24), [32, 192, 64]);
    assert_eq!(clip.frames()[10].pixel(2, 2), [32, 64, 192]);
}

#[test]
fn what_turns_turns_clockwise_about_its_centre() {
    let bar = r##"
[[collage]]
name = "bar"
caption = "The bar turns."
background = { draw = [{ slab = [0, 0, 1, 1, 0], fill = "#ffffff" }] }
[[collage.object]]
name = "bar"
prompt = "The bar turns."
scale = 0.8
turn = 90
path = [[0.5, 0.5], [0.5, 0.5]]
cut = { draw = [{ slab = [-0.5, -0.1, 1, 0.2, 0], fill = "#000000" }, { oval = [0.4, 0, 0.08, 0.08], fill = "#ff0000" }] }
"##;
    let (clip, masks) = scene(bar, Path::new(".")).unwrap().play().unwrap();
    let sides = |t: usize| masks.frames()[t].box_of(1).map(|b| (b.x1 - b.x0, b.y1 - b.y0)).unwrap();
    let ((w, h), (a, b)) = (sides(0), sides(10));
    assert!(w > 3 * h && b > 3 * a, "{w} {h} {a} {b}");
    let red = |p: [u8; 3]| p[0] > 150 && p[1] < 90;
    assert!(red(clip.frames()[0].pixel(39, 24)) && red(clip.frames()[10].pixel(24, 39)));
}

#[test]
fn cut_outs_of_pictures_keep_their_pixels_and_leave_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let mut picture = Picture::filled(Size::new(40, 20), [250, 240, 10]);
    for i in 0..100 {
        picture.set_pixel(10 + i % 10, 5 + i / 10, [200, 10, 90]);
    }
    picture.write_png(folder.path().join("p.png")).unwrap();
    let text = r##"
[[collage]]
name = "photo"
caption = "The square moves."
background = { file = "p.png", window = [25, 0, 10, 10] }
[[collage.object]]
name = "square"
prompt = "The square moves."
scale = 0.5
path = [[0.5, 0.5], [0.6, 0.5]]
cut = { file = "p.png", outline = [[10, 5], [20, 5], [20, 15], [10, 15]] }
"##;
    let (clip, masks) = scene(text, folder.path()).unwrap().play().unwrap();
    let (first, labels) = (&clip.frames()[0], &masks.frames()[0]);
    assert_eq!(labels.box_of(1).map(|b| (b.x0, b.y0, b.x1, b.y1)), Some((12, 12, 36, 36)));
    assert_eq!((first.pixel(24, 24), first.pixel(4, 4)), ([200, 10, 90], [250, 240, 10]));

    let outside = text.replace("[25, 0, 10, 10]", "[35, 0, 10, 10]");
    let e = scene(&outside, folder.path()).err().unwrap().to_string();
    assert!(e.contains("within 40 x 20") && e.contains("10 x 10 pixels at 35, 0"), "{e}");
    let far = text.replace("[25, 0, 10, 10]", "[25, 0, 1e30, 10]");
    assert!(scene(&far, folder.path()).err().unwrap().to_string().contains("within 40 x 20"));
    let later = text.replace("\"p.png\", window", "\"p.png\", frame = 3, window");
    let e = scene(&later, folder.path()).err().unwrap().to_string();
    assert!(e.contains("expected one of 1, got 3"), "{e}");
}

#[test]
fn what_cannot_be_is_refused_with_collage_and_field() {
    let cases = [
        ("scale = 0.25\ngrow", "scale = 0\ngrow", "collage two, object green square, scale"),
        ("grow = 2.0", "grow = 99.0", "0.1 to 10, got 99"),
        ("#20c040", "green", "expected a colour as #rrggbb, got \"green\""),
        ("[[0.75, 0.5], [0.75, 0.5]]", "[[0.75, 0.5]]", "green square, path"),
        (
            "slab = [-0.5, -0.5, 1, 1, 0], fill = \"#20c040\"",
            "fill = \"#20c040\"",
            "one of oval, slab",
        ),
        (
            "draw = [{ slab = [0, 0, 1, 1, 0], fill = \"#2040c0\" }]",
            "",
            "either shapes to draw or the file",
        ),
        ("caption", "captoin", "captoin"),
    ];
    for (from, to, expected) in cases {
        let text = TWO.replacen(from, to, 1);
        assert_ne!(text, TWO, "{from}");
        let e = read(&text).unwrap_err().to_string();
        assert!(e.contains(expected), "{e}");
    }
    assert!(read("collage = []").unwrap_err().to_string().contains("at least one"));
    let away = TWO.replace("[[0.75, 0.5], [0.75, 0.5]]", "[[3, 0.5], [0.75, 0.5]]");
    let e = scene(&away, Path::new(".")).unwrap().play().err().unwrap().to_string();
    assert!(e.contains("none of object 1"), "{e}");
}

#[test]
fn the_file_of_the_project_can_be_played_and_everything_in_it_moves_or_is_said_to_stay() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/eval/drawn.toml");
    let collages = Collages::read(&file).unwrap().collage;
    assert_eq!(collages.len(), 20);
    for collage in &collages {
        let scene = Scene::new(collage, &mut Album::new(Path::new(".")), 96, 12, 8.0).unwrap();
        let (_, masks) = scene.play().unwrap();
        for (id, object) in (1..).zip(&collage.object) {
            let prompt = &object.prompt;
            let frames = masks.frames();
            // Enough of it for a network of patches of four pixels.
            assert!(frames[0].area_of(id) > 100, "{}: {prompt}", collage.name);
            let alone = (0..frames.len()).any(|t| frames[t].mask_of(id) != frames[0].mask_of(id));
            let hidden = prompt.contains("stay") || prompt.contains("spins");
            assert!(alone || hidden, "{}: {prompt}", collage.name);
        }
    }
}

#[test]
fn random_motion_is_that_of_another_collage() {
    let still =
        TWO.replace("[0.25, 0.5, 0], [0.5, 0.5, 0.5], [0.75, 0.5, 1]", "[0.25, 0.5], [0.25, 0.5]");
    let still = still.replace("grow = 2.0", "").replace("\"two\"", "\"still\"");
    let collages = read(&format!("{TWO}{still}")).unwrap();
    let album = &mut Album::new(Path::new("."));
    let scenes: Vec<Scene> =
        collages.iter().map(|c| Scene::new(c, album, 48, 11, 8.0).unwrap()).collect();
    let (_, moved) = random_motion(&scenes, 0, 1).unwrap();
    assert!(moved.frames().iter().all(|f| *f == moved.frames()[0]));
    let (_, moved) = random_motion(&scenes, 1, 1).unwrap();
    assert!(moved.frames().iter().any(|f| *f != moved.frames()[0]));
}

#[test]
fn a_model_must_be_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("collages.toml");
    fs::write(&path, TWO).unwrap();
    let (config, subjects) = (EvalConfig::default(), Subjects::default());
    let e =
        run(&path, folder.path(), &config, &subjects, None, &mut Silent).unwrap_err().to_string();
    assert!(e.contains("stage 2") && e.contains("got none"), "{e}");
}
