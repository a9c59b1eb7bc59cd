//! What the world is made of: kinds, colours, sizes, textures and actions, and their words.

use serde::{Deserialize, Serialize};

/// Declares an enum of plain variants with `ALL`, `word` and `index`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every variant, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word or short name of the variant.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// Position in [`Self::ALL`].
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

words! {
    /// What an object is.
    Kind {
        /// Wheels turn.
        Car = "car",
        /// Wheels turn.
        Truck = "truck",
        /// Wheels turn.
        Bus = "bus",
        /// Rocks on the water.
        Boat = "boat",
        /// The propeller turns.
        Plane = "plane",
        /// The flame flickers.
        Rocket = "rocket",
        /// Wings beat.
        Bird = "bird",
        /// Wings fold and open.
        Butterfly = "butterfly",
        /// The tail fin beats.
        Fish = "fish",
        /// Legs walk, the tail wags.
        Dog = "dog",
        /// Legs walk, the tail waves.
        Cat = "cat",
        /// Legs and arms swing.
        Robot = "robot",
        /// Never spins: its outline would not show it.
        Ball = "ball",
        /// Rigid, five points.
        Star = "star",
    }
}

words! {
    /// The colour word of an object.
    Color {
        /// Red.
        Red = "red",
        /// Orange.
        Orange = "orange",
        /// Yellow.
        Yellow = "yellow",
        /// Green.
        Green = "green",
        /// Blue.
        Blue = "blue",
        /// Purple.
        Purple = "purple",
        /// Black, drawn as a dark grey so that its shading shows.
        Black = "black",
        /// White, drawn a little grey.
        White = "white",
    }
}

impl Color {
    /// The colour itself, RGB in levels.
    pub const fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [222, 44, 40],
            Self::Orange => [246, 138, 24],
            Self::Yellow => [250, 216, 40],
            Self::Green => [46, 168, 62],
            Self::Blue => [40, 96, 224],
            Self::Purple => [146, 58, 190],
            Self::Black => [46, 46, 52],
            Self::White => [246, 246, 242],
        }
    }
}

words! {
    /// How large an object is beside the others.
    SizeClass {
        /// 18-21 % of the picture's side.
        Small = "small",
        /// 24-27 %.
        Medium = "medium",
        /// 30-34 %.
        Large = "large",
    }
}

impl SizeClass {
    /// Longest side as a fraction of the picture's side: least and greatest.
    pub const fn span(self) -> (f32, f32) {
        match self {
            Self::Small => (0.18, 0.21),
            Self::Medium => (0.24, 0.27),
            Self::Large => (0.30, 0.34),
        }
    }
}

words! {
    /// How the body of an object is painted: the second tone is a lighter or darker one of the
    /// same colour, so that the colour word stays true.
    Texture {
        /// One tone.
        Plain = "plain",
        /// Upright stripes.
        Striped = "striped",
        /// Round spots.
        Spotted = "spotted",
        /// Another tone below.
        TwoTone = "two-tone",
        /// A soft change from one end to the other.
        Shaded = "shaded",
    }
}

words! {
    /// What an object does over the whole clip.
    Action {
        /// Moves to the left.
        MoveLeft = "moves left",
        /// Moves to the right.
        MoveRight = "moves right",
        /// Moves up at a steady speed.
        MoveUp = "moves up",
        /// Moves down at a steady speed.
        MoveDown = "moves down",
        /// Stays as it is.
        Rest = "rests",
        /// Goes up and comes back down.
        Jump = "jumps",
        /// Turns in the plane of the picture.
        Spin = "spins",
        /// Becomes larger.
        Grow = "grows",
        /// Becomes smaller.
        Shrink = "shrinks",
        /// Goes round once.
        Circle = "circles",
        /// Goes from side to side, in place or as a pendulum.
        Swing = "swings",
        /// Advances with sideways turns.
        ZigZag = "zigzags",
        /// Goes down faster and faster.
        Fall = "falls",
        /// Follows another object that moves.
        Chase = "chases",
        /// Goes behind another object and comes out on its other side.
        PassBehind = "passes behind",
        /// Runs into another object, which is pushed.
        Collide = "collides",
        /// Is pushed by an object that runs into it.
        Pushed = "is pushed",
    }
}

impl Action {
    /// Whether the action names another object in its predicate.
    pub const fn names_other(self) -> bool {
        matches!(self, Self::Chase | Self::PassBehind | Self::Collide)
    }

    /// Whether an object alone can do it.
    pub const fn is_solo(self) -> bool {
        !self.names_other() && !matches!(self, Self::Pushed)
    }
}

/// Whether a kind can do an action so that its outline shows it.
pub const fn can_do(kind: Kind, action: Action) -> bool {
    !(matches!(kind, Kind::Ball) && matches!(action, Action::Spin))
}

/// Whether this pair of kind and action is held out of training: about one in eight.
///
/// 3 and 5 have no factor in common with 8, so every action keeps all but one or two of the kinds
/// that can do it, and every kind all but two or three of the actions.
pub const fn held_out_kind(kind: Kind, action: Action) -> bool {
    can_do(kind, action) && (5 * kind.index() + 3 * action.index()) % 8 == 3
}

/// Whether this pair of colour and action is held out of training: one in eight, which leaves
/// every action seven of the eight colours.
pub const fn held_out_color(color: Color, action: Action) -> bool {
    (3 * color.index() + action.index()) % 8 == 5
}

/// Whether an object of this kind, colour and action belongs to the compositional split.
pub const fn held_out(kind: Kind, color: Color, action: Action) -> bool {
    held_out_kind(kind, action) || held_out_color(color, action)
}
