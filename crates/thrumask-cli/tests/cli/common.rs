//! A folder to work in, a picture, and the program.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use thrumask_core::{LabelMap, Picture, Size, Trajectory};

/// How often a program is killed, at moments spread over its run.
pub const KILLS: u32 = 20;

/// The size of [`Place`]'s picture; results are 128x96.
pub const SIZE: Size = Size::new(64, 48);

/// Two objects in the planner's words.
pub const CAPTION: &str = "The red car on the right moves away to the right, while the blue car on \
                           the left jumps.";

/// Every artefact of a run but its record.
pub const ARTEFACTS: [&str; 6] =
    ["input.png", "plan.json", "masks.png", "trajectory.json", "trajectory.mp4", "video.mp4"];

/// A folder with `in.png` in it, that disappears.
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        scene().write_png(place.at("in.png")).unwrap();
        place
    }

    /// A path in the folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.at(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.at(name), bytes).unwrap();
    }

    /// The program, to be run in the folder.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_thrumask"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        // Mesa's libraries complain on the error stream where there is none, as in containers.
        command.env("XDG_RUNTIME_DIR", self.0.path());
        command
    }

    /// Runs the program, which must succeed.
    pub fn ok(&self, args: &[&str]) -> Said {
        let said = Said::from(self.command(args).output().unwrap());
        assert_eq!(said.code, Some(0), "{args:?}: {}", said.err);
        said
    }

    /// Runs the program, which must fail with one clear line, and returns the line.
    pub fn fails(&self, code: i32, args: &[&str]) -> String {
        let said = Said::from(self.command(args).output().unwrap());
        assert_eq!(said.code, Some(code), "{args:?}: {}", said.err);
        let errors: Vec<&str> = said.err.lines().filter(|l| l.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "{args:?}: {}", said.err);
        assert!(!said.err.contains("internal error"), "{args:?}: {}", said.err);
        errors[0].to_owned()
    }

    /// The main job with one step a stage, and `more` options.
    pub fn animate(&self, output: &str, more: &[&str]) -> Said {
        self.ok(&animate(output, more))
    }

    pub fn plan(&self, run: &str) -> serde_json::Value {
        serde_json::from_slice(&self.read(&format!("{run}/plan.json"))).unwrap()
    }

    pub fn masks(&self, run: &str) -> LabelMap {
        LabelMap::read_png(self.at(run).join("masks.png")).unwrap()
    }

    pub fn trajectory(&self, run: &str) -> Trajectory {
        Trajectory::read_json(self.at(run).join("trajectory.json")).unwrap()
    }

    /// Two runs hold the same artefacts, byte by byte.
    pub fn assert_same(&self, run: &str, other: &str) {
        for name in ARTEFACTS {
            let (a, b) =
                (self.read(&format!("{run}/{name}")), self.read(&format!("{other}/{name}")));
            assert!(a == b, "{name} differs between {run} and {other}");
        }
    }
}

/// What was typed for the main job with one step a stage.
pub fn animate<'a>(output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["animate", "in.png", CAPTION, "-o", output, "--steps", "1"], more].concat()
}

/// What the program said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Said {
    /// What was said of a stage.
    pub fn of(&self, stage: &str) -> &str {
        let line = self.err.lines().find(|l| l.split_whitespace().next() == Some(stage));
        line.unwrap_or_else(|| panic!("nothing of {stage}: {}", self.err))
    }
}

/// A red block on the right and a blue one on the left, on grey.
pub fn scene() -> Picture {
    let mut picture = Picture::filled(SIZE, [200, 200, 190]);
    for y in 20..34 {
        (6..22).for_each(|x| picture.set_pixel(x, y, [40, 60, 200]));
        (40..56).for_each(|x| picture.set_pixel(x, y, [200, 40, 40]));
    }
    picture
}

/// Masks of the scene's blocks: object 1 the red one, object 2 the blue one.
pub fn scene_masks() -> LabelMap {
    let scene = scene();
    let ids = scene.rgb().chunks_exact(3).map(|c| match c {
        [200, 40, 40] => 1,
        [40, 60, 200] => 2,
        _ => 0,
    });
    LabelMap::new(SIZE, ids.collect()).unwrap()
}

/// Whether a folder holds anything but `names`.
pub fn leftovers(folder: &Path, names: &[&str]) -> Vec<String> {
    let all = thrumask_core::fsio::list_names(folder).unwrap();
    all.into_iter().filter(|n| !names.contains(&n.as_str())).collect()
}
