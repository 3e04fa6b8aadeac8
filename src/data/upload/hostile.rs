//! What people send that is no picture, or one that should not be decoded: refused by name, in either framing.

use image::{GrayImage, RgbImage};
use proptest::prelude::*;

use super::*;

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    encoded(picture, ImageFormat::Png)
}

fn coloured(side: u32) -> DynamicImage {
    RgbImage::from_fn(side, side, |x, y| image::Rgb([(x * 7) as u8, (y * 5) as u8, 90])).into()
}

fn refused(bytes: &[u8]) -> String {
    let reasons = [Framing::Whole, Framing::Weighted, Framing::Middle].map(|framing| match read(bytes, 28, framing) {
        Err(AppError::Invalid { field, reason }) if field == "image" => reason,
        other => panic!("{other:?}"),
    });
    assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
    reasons[0].clone()
}

#[test]
fn what_is_no_picture_is_refused_with_what_was_expected() {
    let archive = [b"PK\x03\x04".as_slice(), &[0; 200]].concat();
    for nothing in [
        &b""[..],
        b"hello",
        b"GIF89a rubbish",
        b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><script>alert(1)</script></svg>",
        b"<?xml version=\"1.0\"?><!DOCTYPE svg [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><svg>&a;</svg>",
        b"<!doctype html><img src=x onerror=alert(1)>",
        b"%PDF-1.7",
        b"BM\x46\0\0\0\0\0\0\0",
        b"II*\0\x08\0\0\0",
        b"\0\0\0\x20ftypavif",
        &archive,
    ] {
        assert!(refused(nothing).contains("PNG, JPEG or WebP"), "{}", refused(nothing));
    }
    assert!(refused(&vec![0; MOST_BYTES + 1]).contains("at most 10 MB"));
}

#[test]
fn a_picture_that_is_cut_off_is_refused_wherever_it_is_cut() {
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let whole = encoded(&coloured(60), format);
        assert!(read(&whole, 28, Framing::Middle).is_ok());
        for share in 1..10 {
            let reason = refused(&whole[..whole.len() * share / 10]);
            assert!(reason.contains("can't be read") || reason.contains("PNG, JPEG or WebP"), "{format:?} {share}: {reason}");
        }
    }
    // JPEG has no end that must come: what is there is a picture with grey below, or none. It never panics.
    let whole = encoded(&coloured(60), ImageFormat::Jpeg);
    (0..whole.len()).for_each(|length| drop(read(&whole[..length], 28, Framing::Middle)));
}

#[test]
fn flipped_bits_are_refused_or_read_and_never_panic() {
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
        let whole = encoded(&coloured(40), format);
        for place in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x55;
            drop(read(&damaged, 28, Framing::Middle));
        }
    }
}

#[test]
fn the_contents_say_what_a_picture_is_and_not_its_name_or_what_follows_it() {
    // No name comes with the bytes at all; what is glued to a picture's end is no part of it.
    for tail in [&b"PK\x03\x04 an archive"[..], b"<script>alert(1)</script>", b"GIF89a", b"<?php system('id'); ?>"] {
        let picture = png(&coloured(40));
        let plain = read(&picture, 28, Framing::Middle).unwrap();
        assert_eq!(read(&[&picture, tail].concat(), 28, Framing::Middle).unwrap(), plain);
        assert!(refused(&[tail, &picture].concat()).contains("PNG, JPEG or WebP"), "nor is what stands before it");
    }
    // The head of a PNG, and a page behind it.
    assert!(refused(b"\x89PNG\r\n\x1a\n<html><script>alert(1)</script></html>").contains("can't be read"));
    assert!(refused(b"\xff\xd8\xff<html>").contains("can't be read"));
}

#[test]
fn an_animation_is_refused() {
    let mut bytes = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut bytes, 4, 4);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    (0..2).for_each(|_| writer.write_image_data(&[0; 16]).unwrap());
    drop(writer);
    assert!(refused(&bytes).contains("animation"));
    assert!(refused(&animated_webp()).contains("animation"));
}

/// One frame of one still WebP, in the container of an animation.
///
/// Source: the WebP container specification, "Extended File Format".
fn animated_webp() -> Vec<u8> {
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let padding = vec![0; body.len() % 2];
        [name, &(body.len() as u32).to_le_bytes()[..], body, &padding].concat()
    };
    let still = encoded(&coloured(4), ImageFormat::WebP);
    let frame = [&[0, 0, 0, 0, 0, 0, 3, 0, 0, 3, 0, 0, 100, 0, 0, 0], &still[12..]].concat();
    let body = [
        &b"WEBP"[..],
        &chunk(b"VP8X", &[2, 0, 0, 0, 3, 0, 0, 3, 0, 0]),
        &chunk(b"ANIM", &[0; 6]),
        &chunk(b"ANMF", &frame),
        &chunk(b"ANMF", &frame),
    ]
    .concat();
    chunk(b"RIFF", &body)
}

#[test]
fn a_bomb_is_refused_before_it_is_decoded() {
    // A whole PNG head that claims 60,000 x 60,000 pixels.
    let mut bomb = png(&DynamicImage::ImageLuma8(GrayImage::new(1, 1)));
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let check = crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&check.to_be_bytes());
    let reason = refused(&bomb);
    assert!(reason.contains("60000 × 60000") && reason.contains("40 million"), "{reason}");

    // A JPEG whose frame says 65,500 x 65,500: FF C0, length, bits, height, width.
    let mut bomb = encoded(&coloured(8), ImageFormat::Jpeg);
    let frame = bomb.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let reason = refused(&bomb);
    assert!(reason.contains("65500 × 65500") || reason.contains("can't be read"), "{reason}");

    // A WebP whose canvas says 16,384 x 16,384.
    let mut bomb = animated_webp();
    bomb[20] = 0; // still
    bomb[24..30].copy_from_slice(&[0xff, 0x3f, 0, 0xff, 0x3f, 0]);
    let reason = refused(&bomb);
    assert!(reason.contains("16384 × 16384") || reason.contains("can't be read"), "{reason}");

    // 41 megapixels of nothing are less than a megabyte.
    let empty = png(&DynamicImage::ImageLuma8(GrayImage::new(41_000, 1_000)));
    assert!(empty.len() < 1 << 20 && refused(&empty).contains("41000 × 1000"), "{}", empty.len());
}

/// ISO 3309, as PNG has it.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_behind_a_picture_s_head_crash_the_readers(head in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let heads: [&[u8]; 4] = [
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x1c\0\0\0\x1c",
            b"\xff\xd8\xff\xe0\0\x10JFIF\0",
            b"RIFF\0\x01\0\0WEBPVP8L",
            b"RIFF\0\x01\0\0WEBPVP8 ",
        ];
        for framing in [Framing::Whole, Framing::Weighted, Framing::Middle] {
            match read(&[heads[head], &bytes].concat(), 28, framing) {
                Ok(upload) => prop_assert_eq!(upload.pixels.len(), 28 * 28 * upload.channels),
                Err(AppError::Invalid { field, .. }) => prop_assert_eq!(field, "image"),
                Err(other) => return Err(TestCaseError::fail(format!("{other:?}"))),
            }
        }
    }
}
