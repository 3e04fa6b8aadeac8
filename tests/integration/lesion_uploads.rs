//! Pictures in colour that people send: what the residual network says of them, and what is refused.

use std::{fs, io::Cursor, path::Path};

use image::{DynamicImage, ImageFormat, RgbImage};
use serde_json::{Value, json};

use crate::{
    classifiers::{form, post},
    lesion_evaluation::{number, trained},
    support::Server,
};

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    DynamicImage::ImageRgb8(picture.clone()).write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn photograph(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (across, down) = (x.abs_diff(width / 2), y.abs_diff(height / 2));
        image::Rgb(if across * across + down * down < height * height / 16 { [90, 60, 50] } else { [205, 160, 145] })
    })
}

async fn answered(server: &Server, path: &str, picture: &[u8]) -> (u16, Value) {
    let (status, text) = post(server, path, form("image", picture, &[])).await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn an_image_of_the_data_set_gets_the_same_answer_as_a_picture_as_pixels_and_in_the_table() {
    let server = Server::start();
    let events = trained(&server);
    let id = events[0]["run"].as_str().unwrap();
    let path = format!("/api/v1/runs/{id}/predict");
    let csv = server.page(&format!("/api/v1/runs/{id}/predictions.csv")).await;
    let row: Vec<f64> = csv.lines().nth(8).unwrap().split(',').map(|value| value.parse().unwrap()).collect();
    let png = server.get("/api/v1/datasets/skin-sample/images/test/7.png").await.bytes().await.unwrap();
    let (status, answer) = answered(&server, &path, &png).await;
    assert_eq!((status, number(&answer["prediction"]), &answer["steps"]), (200, row[2], &json!([])));
    for (label, class) in answer["probabilities"].as_array().unwrap().iter().enumerate() {
        assert!((number(&class["probability"]) - row[3 + label]).abs() < 1e-5, "{class}");
    }
    let told = server.json(&format!("/api/v1/runs/{id}/attention/test/7.json"), 200).await;
    let maps = ["attention", "values"].map(|key| if key == "attention" { &answer[key] } else { &told[key] });
    let flat =
        |map: &Value| map.as_array().unwrap().iter().flat_map(|row| row.as_array().unwrap().iter().map(number)).collect::<Vec<f64>>();
    assert!(flat(maps[0]).iter().zip(flat(maps[1])).all(|(one, other)| (one - other).abs() < 1e-5) && flat(maps[0]).len() == 49);
    assert_eq!(answer["nearest"].as_array().unwrap().len(), 10);

    let picture = image::load_from_memory(&png).unwrap().to_rgb8();
    let shade = |value: u8| f64::from(value) / 255.0;
    let pixels: Vec<Vec<[f64; 3]>> = picture.rows().map(|row| row.map(|pixel| pixel.0.map(shade)).collect()).collect();
    let sent = |pixels: Value| server.request("POST", &path).json(&json!({ "pixels": pixels })).send();
    let from_pixels: Value = sent(json!(pixels)).await.unwrap().json().await.unwrap();
    assert_eq!((&from_pixels["prediction"], &from_pixels["nearest"]), (&answer["prediction"], &answer["nearest"]));

    let (_, bare) = answered(&server, &format!("{path}?explain=false"), &png).await;
    assert_eq!((&bare["attention"], &bare["nearest"], &bare["prediction"]), (&Value::Null, &Value::Null, &answer["prediction"]));
    assert_eq!(answered(&server, &format!("{path}?explain=perhaps"), &png).await.1["field"], "explain");

    let row = |count: usize| vec![[0.5; 3]; count];
    for (pixels, said) in [
        (json!(vec![vec![0.5; 28]; 28]), "have the number 0.5 at row 0, place 0; expected 28 rows of 28 times a triple"),
        (json!(vec![row(28); 27]), "are 27 rows"),
        (json!(vec![row(29); 28]), "have 29 places in row 0"),
        (json!(vec![vec![[0.5; 4]; 28]; 28]), "have 4 numbers at row 0, place 0"),
        (json!(vec![vec![[0, 0, 255]; 28]; 28]), "have the number 255 at row 0, place 0"),
        (json!("photo.png"), "are \"photo.png\""),
        (Value::Null, "are null"),
        (json!(vec![0.0; 400_000]), "more than 1048576 bytes"),
    ] {
        let response = sent(pixels).await.unwrap();
        assert_eq!(response.status(), 422, "{said}");
        let problem: Value = response.json().await.unwrap();
        assert!(problem["field"] == "pixels" && problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
}

#[tokio::test]
async fn a_photograph_is_cut_and_scaled_and_said_to_be_so() {
    let server = Server::start();
    let events = trained(&server);
    let path = format!("/api/v1/runs/{}/predict", events[0]["run"].as_str().unwrap());
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let (status, answer) = answered(&server, &path, &encoded(&photograph(600, 450), format)).await;
        let steps = json!([{"did": "cropped", "from": [600, 450], "to": [450, 450]}, {"did": "scaled", "to": [28, 28]}]);
        assert_eq!((status, &answer["steps"]), (200, &steps));
    }
    let grey = DynamicImage::ImageRgb8(photograph(56, 56)).to_luma8();
    let mut bytes = Vec::new();
    DynamicImage::ImageLuma8(grey).write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).unwrap();
    let (status, answer) = answered(&server, &path, &bytes).await;
    assert_eq!((status, &answer["steps"][0]["did"]), (200, &json!("coloured")));
    // As a camera held upright: EXIF says to turn it by a quarter, so that height and width change places.
    let upright = with_orientation(&encoded(&photograph(600, 450), ImageFormat::Jpeg), 6);
    let (status, answer) = answered(&server, &path, &upright).await;
    let steps = json!([{"did": "turned"}, {"did": "cropped", "from": [450, 600], "to": [450, 450]}, {"did": "scaled", "to": [28, 28]}]);
    assert_eq!((status, &answer["steps"]), (200, &steps));
}

/// The same JPEG with an EXIF segment that says how it is to be turned.
///
/// Source: Exif 2.32, section 4.5: one directory of one entry, Orientation (0x0112), a short.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let exif = [b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation, 0, 0, 0][..], &[0; 4]].concat();
    let segment = [&[0xff, 0xe1][..], &((exif.len() + 2) as u16).to_be_bytes(), &exif].concat();
    [&jpeg[..2], &segment, &jpeg[2..]].concat()
}

#[tokio::test]
async fn what_is_hostile_is_refused_and_nothing_that_is_sent_is_stored() {
    const MARK: &[u8] = b"a-mark-that-is-in-no-file-of-ours";
    let server = Server::start();
    let events = trained(&server);
    let path = format!("/api/v1/runs/{}/predict", events[0]["run"].as_str().unwrap());
    let whole = encoded(&photograph(300, 300), ImageFormat::Png);
    let mut animated = Vec::new();
    let mut encoder = png::Encoder::new(&mut animated, 28, 28);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    (0..2).for_each(|_| writer.write_image_data(&[0; 28 * 28]).unwrap());
    drop(writer);
    let mut empty = Vec::new();
    DynamicImage::ImageLuma8(image::GrayImage::new(41_000, 1_000)).write_to(&mut Cursor::new(&mut empty), ImageFormat::Png).unwrap();
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for (name, bytes, said) in [
        ("nothing", Vec::new(), "is empty"),
        ("cut off", whole[..whole.len() / 2].to_vec(), "can't be read"),
        ("text", MARK.to_vec(), "PNG, JPEG or WebP"),
        ("SVG", svg.to_vec(), "PNG, JPEG or WebP"),
        ("animated", animated, "animation"),
        ("huge", empty, "41000 × 1000 pixels"),
        ("heavy", vec![0; 11 << 20], "at most 10485760"),
        ("a head alone", b"\x89PNG\r\n\x1a\n".to_vec(), "can't be read"),
    ] {
        let (status, problem) = answered(&server, &path, &bytes).await;
        assert_eq!((status, &problem["field"]), (422, &json!("image")), "{name}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{name}: {problem}");
    }
    // A picture with something glued to it is the picture.
    let (_, plain) = answered(&server, &path, &whole).await;
    let (status, glued) = answered(&server, &path, &[&whole, MARK].concat()).await;
    assert_eq!((status, glued), (200, plain));
    assert!(!anywhere(server.data_dir(), MARK), "what was sent is in a file");
    assert!(anywhere(server.data_dir(), b"skin-sample"), "the search finds what is there");
}

/// Whether a file below `folder` holds these bytes.
fn anywhere(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() { anywhere(&path, bytes) } else { fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes) }
    })
}
