//! Good and bad control files.

use super::*;
use crate::LabelMap;

const GOOD: &str = r#"{ "version": 1, "motion": "The car moves, the dog runs.", "objects": [
    { "id": 1, "name": "red car", "prompt": "The red car moves.", "box": [40, 60, 90, 88],
      "path": [[65, 74, 0], [120.5, 74, 0.5], [180, 40, 1]] },
    { "id": 2, "name": "dog", "prompt": "A dog runs.", "mask": {"size": [2, 3], "counts": "231"} },
    { "id": 3, "points": [[1, 2], [3, 4, 0]] },
    { "id": 4, "point": [5, 6.5] },
    { "id": 5, "path": [[7, 8], [9, 10]] },
    { "id": 7, "masks": "seven/" } ] }"#;

fn control() -> Control {
    Control::from_json("c", GOOD).unwrap()
}

#[test]
fn a_good_file_is_understood() {
    let control = control();
    let place = |id| control.object(id).unwrap().place();
    assert_eq!(place(1), Some(Place::Box([40.0, 60.0, 90.0, 88.0])));
    let point = |x, y, inside| Point { x, y, inside };
    let both = vec![point(1.0, 2.0, true), point(3.0, 4.0, false)];
    assert_eq!(place(3), Some(Place::Points(both)));
    assert_eq!(place(4), Some(Place::Points(vec![point(5.0, 6.5, true)])));
    assert_eq!(place(5), Some(Place::Points(vec![point(7.0, 8.0, true)])));
    assert_eq!(place(7), None);
    let mask = control.object(2).unwrap().load_mask(Size::new(3, 2)).unwrap().unwrap();
    assert_eq!(mask, [false, true, true, false, true, false]);
    let e = control.object(2).unwrap().load_mask(Size::new(4, 2)).unwrap_err().to_string();
    assert!(e.contains("object 2, field mask: size: expected 4x2, got 3x2"), "{e}");
    let again = serde_json::to_string(&control).unwrap();
    assert_eq!(Control::from_json("c", &again).unwrap(), control);
}

#[test]
fn bad_files_are_refused_with_object_and_field() {
    for (from, to, words) in [
        ("\"version\": 1", "\"version\": 2", "expected version 1, got 2"),
        ("\"version\": 1,", "", "missing field `version`"),
        ("\"motion\"", "\"motoin\"", "motoin"),
        ("\"id\": 2", "\"id\": 1", "id 1: is given twice"),
        ("\"id\": 2", "\"id\": 0", "position 2, field id"),
        ("\"id\": 2", "\"id\": 300", "object 300, field id"),
        ("\"box\": [40, 60, 90, 88]", "\"box\": [40, 60, 90]", "object 1, field box"),
        ("\"box\": [40, 60, 90, 88]", "\"box\": [40, 60, 40, 88]", "object 1, field box"),
        ("\"box\": [40, 60, 90, 88]", "\"bbox\": [40, 60, 90, 88]", "object 1, field bbox"),
        ("\"name\": \"dog\"", "\"name\": \"\"", "object 2, field name"),
        ("\"name\": \"dog\"", "\"name\": 7", "object 2, field name"),
        ("\"counts\": \"231\"", "\"counts\": \"23\"", "object 2, field mask"),
        ("{\"size\": [2, 3], \"counts\": \"231\"}", "7", "object 2, field mask: expected a file"),
        ("[3, 4, 0]", "[3, 4, 0, 1]", "object 3, field points: expected points"),
        ("[1, 2]", "[1, 2, 0]", "object 3, field points: expected at least one point on"),
        ("[[1, 2], [3, 4, 0]]", "[]", "object 3, field points: expected 1 to"),
        ("\"point\": [5", "\"box\": [1, 1, 2, 2], \"point\": [5", "object 4, field point"),
        ("74, 0.5]", "74, -1]", "object 1, field path: expected times"),
        ("\"masks\"", "\"point\": [1, 1], \"masks\"", "object 7, field point"),
        ("seven/", "", "object 7, field masks"),
        ("] }", "", "line"),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let e = Control::from_json("c.json", &GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(e.contains(words) && e.contains("c.json"), "{from} -> {to}: {e}");
    }
    let none = r#"{"version": 1, "objects": []}"#;
    assert!(Control::from_json("c", none).unwrap_err().to_string().contains("got 0"));
}

#[test]
fn places_must_lie_on_the_picture() {
    assert!(control().check_size(Size::new(90, 88)).is_ok());
    let e = control().check_size(Size::new(89, 88)).unwrap_err().to_string();
    assert!(e.contains("object 1, field box") && e.contains("89x88"), "{e}");
    let far = r#"{"version": 1, "objects": [{"id": 9, "point": [10, 5]}]}"#;
    let far = Control::from_json("c", far).unwrap();
    let e = far.check_size(Size::new(10, 10)).unwrap_err().to_string();
    assert!(e.contains("object 9, field point"), "{e}");
}

#[test]
fn plans_are_given_or_overridden() {
    assert!(control().plan("c").is_none(), "objects 3 to 7 have no prompt");
    let mut whole = control();
    whole.objects.truncate(2);
    let plan = whole.plan("A caption.").unwrap();
    assert_eq!((plan.caption.as_str(), plan.objects.len()), ("A caption.", 2));
    let mut planned = plan.clone();
    planned.objects[1].name = "cat".into();
    planned.motion = "None.".into();
    whole.override_plan(&mut planned).unwrap();
    assert_eq!(planned, plan);
    let e = control().override_plan(&mut planned).unwrap_err().to_string();
    assert!(e.contains("object 3: the plan has 2 objects"), "{e}");
}

#[test]
fn files_lie_beside_the_control_file() {
    let dir = tempfile::tempdir().unwrap();
    let labels = LabelMap::new(Size::new(2, 1), vec![0, 3]).unwrap();
    labels.write_png(dir.path().join("m.png")).unwrap();
    let text = r#"{"version": 1, "objects": [{"id": 1, "mask": "m.png"}]}"#;
    std::fs::write(dir.path().join("control.json"), text).unwrap();
    let control = Control::read(dir.path().join("control.json")).unwrap();
    let mask = control.objects[0].load_mask(Size::new(2, 1)).unwrap().unwrap();
    assert_eq!(mask, [false, true]);
}

#[test]
fn the_schema_names_every_field_and_refuses_others() {
    let schema = schema();
    let object = &schema["$defs"]["ControlObject"];
    for field in ["id", "name", "prompt", "mask", "box", "point", "points", "path", "masks"] {
        assert!(object["properties"][field].is_object(), "{field}");
    }
    assert_eq!(object["additionalProperties"], false);
    assert_eq!(schema["required"], serde_json::json!(["version", "objects"]));
}
