//! The tray's icon: the pulse of the app, with the shape of the worst state in its corner. Shape and colour, so that
//! neither alone has to be told apart; a dark rim, so that it stands out on light and dark panels.

use tauri::image::Image;
use tiny_skia::{Color, FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Stroke, StrokeDash, Transform};

/// Pixels of each side; desktops scale it down.
pub(crate) const SIDE: u32 = 64;

/// What the icon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Face {
    /// All is well.
    Up,
    /// Something needs care.
    Degraded,
    /// Something is down.
    Down,
    /// Nobody sees anything.
    Unobserved,
    /// Everything is paused.
    Paused,
    /// Nothing is known yet.
    Pending,
}

impl Face {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 6] =
        [Self::Up, Self::Degraded, Self::Down, Self::Unobserved, Self::Paused, Self::Pending];

    fn colour(self) -> Color {
        let (red, green, blue) = match self {
            Self::Up => (240, 243, 250),
            Self::Degraded => (245, 181, 68),
            Self::Down => (255, 92, 86),
            Self::Unobserved | Self::Pending => (168, 176, 190),
            Self::Paused => (240, 243, 250),
        };
        Color::from_rgba8(red, green, blue, 255)
    }
}

const RIM: f32 = 4.0;

fn paint(colour: Color) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color(colour);
    paint
}

fn rim() -> Paint<'static> {
    paint(Color::from_rgba8(18, 22, 32, 220))
}

/// Draws the icon, as straight (not premultiplied) RGBA.
pub(crate) fn draw(face: Face) -> Image<'static> {
    let pixels = Pixmap::new(SIDE, SIDE).map(|mut map| {
        pulse(&mut map, face);
        badge(&mut map, face);
        map.pixels()
            .iter()
            .flat_map(|pixel| {
                let pixel = pixel.demultiply();
                [pixel.red(), pixel.green(), pixel.blue(), pixel.alpha()]
            })
            .collect::<Vec<u8>>()
    });
    Image::new_owned(pixels.unwrap_or_default(), SIDE, SIDE)
}

fn pulse(map: &mut Pixmap, face: Face) {
    let mut path = PathBuilder::new();
    path.move_to(5.0, 34.0);
    for (x, y) in [(17.0, 34.0), (25.0, 12.0), (38.0, 52.0), (46.0, 34.0), (59.0, 34.0)] {
        path.line_to(x, y);
    }
    let Some(path) = path.finish() else { return };
    let mut stroke =
        Stroke { width: 7.0 + RIM, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
    map.stroke_path(&path, &rim(), &stroke, Transform::identity(), None);
    stroke.width = 7.0;
    let muted = matches!(face, Face::Unobserved | Face::Pending);
    let colour = if muted { face.colour() } else { Face::Up.colour() };
    map.stroke_path(&path, &paint(colour), &stroke, Transform::identity(), None);
}

/// The shape of the state in the lower right corner.
fn badge(map: &mut Pixmap, face: Face) {
    let mut shape = PathBuilder::new();
    match face {
        Face::Up | Face::Pending => return,
        Face::Degraded => {
            shape.move_to(46.0, 33.0);
            shape.line_to(61.0, 60.0);
            shape.line_to(31.0, 60.0);
            shape.close();
        }
        Face::Down => {
            if let Some(square) = tiny_skia::Rect::from_xywh(32.0, 32.0, 28.0, 28.0) {
                shape.push_rect(square);
            }
        }
        Face::Unobserved => shape.push_circle(46.0, 46.0, 13.0),
        Face::Paused => {
            for x in [35.0, 48.0] {
                if let Some(bar) = tiny_skia::Rect::from_xywh(x, 34.0, 8.0, 26.0) {
                    shape.push_rect(bar);
                }
            }
        }
    }
    let Some(shape) = shape.finish() else { return };
    let mut stroke = Stroke { width: RIM + 2.0, line_join: LineJoin::Round, ..Stroke::default() };
    map.stroke_path(&shape, &rim(), &stroke, Transform::identity(), None);
    if face == Face::Unobserved {
        map.fill_path(&shape, &rim(), FillRule::Winding, Transform::identity(), None);
        stroke.width = 4.5;
        stroke.dash = StrokeDash::new(vec![6.5, 3.7], 0.0);
        map.stroke_path(&shape, &paint(face.colour()), &stroke, Transform::identity(), None);
        return;
    }
    map.fill_path(&shape, &paint(face.colour()), FillRule::Winding, Transform::identity(), None);
    if face == Face::Down {
        cross(map);
    }
}

fn cross(map: &mut Pixmap) {
    let mut path = PathBuilder::new();
    path.move_to(40.0, 40.0);
    path.line_to(52.0, 52.0);
    path.move_to(52.0, 40.0);
    path.line_to(40.0, 52.0);
    if let Some(path) = path.finish() {
        let stroke = Stroke { width: 4.5, line_cap: LineCap::Round, ..Stroke::default() };
        map.stroke_path(&path, &rim(), &stroke, Transform::identity(), None);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_face_is_another_picture_of_the_same_size() {
        let pictures: HashSet<Vec<u8>> = Face::ALL.iter().map(|face| draw(*face).rgba().to_vec()).collect();
        assert_eq!(pictures.len(), Face::ALL.len());
        assert!(pictures.iter().all(|picture| picture.len() == (SIDE * SIDE * 4) as usize));
    }

    #[test]
    fn trouble_is_told_by_shape_as_well_as_by_colour() {
        let shape = |face| draw(face).rgba().chunks(4).map(|pixel| pixel[3] > 127).collect::<Vec<bool>>();
        let shapes: HashSet<_> =
            [Face::Up, Face::Degraded, Face::Down, Face::Unobserved, Face::Paused].map(shape).into();
        assert_eq!(shapes.len(), 5);
    }
}
