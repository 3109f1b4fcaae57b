"""What MediaPipe says of the eyes of `faces.py`: makes tests/data/goldens/mediapipe_irises.json.

    pip install mediapipe==0.10.21 scikit-image
    PYTHONPATH=. python -m tests.helpers.mediapipe_irises

For some pictures, in pixels of the photo, rounded to hundredths:

    corners   [4, 2] corners of the eyes, image-left first, as its face mesh tells them
    regions   [2, 4] x, y, side and turn of what its own operations make of them by its iris rule
    contours  [2, 71, 2] and
    irises    [2, 5, 2] what the iris network says of these regions, by its own operations
    refined   [10, 2] points 468 to 477 of another network of the wheel, the mesh with attention

Its operations cannot mirror, so that the eye at image-right is looked at in the mirrored photo.
"""

import json
from pathlib import Path

import numpy as np

from tests.helpers.faces import SIZE, photos

GOLDEN = Path(__file__).parents[1] / "data/goldens/mediapipe_irises.json"
PICTURES = ("photo", "mirrored", "turned")
CORNERS = (33, 133, 362, 263)
_GRAPH = """
input_stream: "image"
input_stream: "corners"
output_stream: "region"
output_stream: "iris"
output_stream: "contour"
node {
  calculator: "ImagePropertiesCalculator"
  input_stream: "IMAGE:image" output_stream: "SIZE:size"
}
node {
  calculator: "LandmarksToDetectionCalculator"
  input_stream: "NORM_LANDMARKS:corners" output_stream: "DETECTION:box"
}
node {
  calculator: "DetectionsToRectsCalculator"
  input_stream: "DETECTION:box" input_stream: "IMAGE_SIZE:size" output_stream: "NORM_RECT:tight"
  options { [mediapipe.DetectionsToRectsCalculatorOptions.ext] {
    rotation_vector_start_keypoint_index: 0 rotation_vector_end_keypoint_index: 1
    rotation_vector_target_angle_degrees: 0
  } }
}
node {
  calculator: "RectTransformationCalculator"
  input_stream: "NORM_RECT:tight" input_stream: "IMAGE_SIZE:size" output_stream: "region"
  options { [mediapipe.RectTransformationCalculatorOptions.ext] {
    scale_x: 2.3 scale_y: 2.3 square_long: true
  } }
}
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image" input_stream: "NORM_RECT:region" output_stream: "TENSORS:shown"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 64 output_tensor_height: 64 keep_aspect_ratio: false
    output_tensor_float_range { min: 0 max: 1 } border_mode: BORDER_REPLICATE
  } }
}
node {
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:shown" output_stream: "TENSORS:found"
  options { [mediapipe.InferenceCalculatorOptions.ext] {
    model_path: "mediapipe/modules/iris_landmark/iris_landmark.tflite" delegate { xnnpack {} }
  } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "found" output_stream: "a" output_stream: "b"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] {
    ranges { begin: 0 end: 1 } ranges { begin: 1 end: 2 }
  } }
}
node {
  calculator: "TensorsToLandmarksCalculator"
  input_stream: "TENSORS:a" output_stream: "NORM_LANDMARKS:local_contour"
  options { [mediapipe.TensorsToLandmarksCalculatorOptions.ext] {
    num_landmarks: 71 input_image_width: 64 input_image_height: 64
  } }
}
node {
  calculator: "TensorsToLandmarksCalculator"
  input_stream: "TENSORS:b" output_stream: "NORM_LANDMARKS:local_iris"
  options { [mediapipe.TensorsToLandmarksCalculatorOptions.ext] {
    num_landmarks: 5 input_image_width: 64 input_image_height: 64
  } }
}
node {
  calculator: "LandmarkProjectionCalculator"
  input_stream: "NORM_LANDMARKS:0:local_contour" input_stream: "NORM_LANDMARKS:1:local_iris"
  input_stream: "NORM_RECT:region"
  output_stream: "NORM_LANDMARKS:0:contour" output_stream: "NORM_LANDMARKS:1:iris"
}
"""


def main():
    """Write the golden numbers."""
    import mediapipe  # pyright: ignore

    with mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, refine_landmarks=True
    ) as mesh:
        numbers = {name: _numbers(photos()[name][0], mesh) for name in PICTURES}
    about = "mediapipe 0.10.21; see tests/helpers/mediapipe_irises"
    GOLDEN.write_text(json.dumps({"about": about, "numbers": numbers}) + "\n")


def _numbers(photo, mesh):
    points = _places(mesh.process(photo).multi_face_landmarks[0])
    corners = points[list(CORNERS)]
    left = _look(photo, corners[:2])
    region, contour, iris = _look(photo[:, ::-1], corners[[3, 2]] * (-1, 1) + (1, 0))
    right = (region * (-1, 1, 1, -1) + (1, 0, 0, 0), _mirrored(contour), _mirrored(iris))
    right[2][[1, 3]] = right[2][[3, 1]]  # the edge at image-right comes first in both
    values = {
        name: [_pixels(eye[index]) for eye in (left, right)]
        for index, name in enumerate(("regions", "contours", "irises"))
    }
    return {"corners": _pixels(corners), **values, "refined": _pixels(points[468:])}


def _look(photo, corners):
    """Return the region, and the points of the eye at image-left."""
    import mediapipe  # pyright: ignore
    from mediapipe.framework.formats import landmark_pb2  # pyright: ignore
    from mediapipe.python import packet_creator, packet_getter  # pyright: ignore
    from mediapipe.python._framework_bindings import (  # pyright: ignore
        calculator_graph,
        resource_util,
    )

    resource_util.set_resource_dir(str(Path(str(mediapipe.__file__)).parents[1]))
    graph, found = calculator_graph.CalculatorGraph(graph_config=_GRAPH), {}
    for name in ("region", "contour", "iris"):
        graph.observe_output_stream(
            name, lambda stream, packet: found.update({stream: packet_getter.get_proto(packet)})
        )
    points = landmark_pb2.NormalizedLandmarkList()
    for x, y in corners:
        points.landmark.add(x=x, y=y, z=0)
    image = packet_creator.create_image_frame(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(photo)
    )
    graph.start_run()
    graph.add_packet_to_input_stream("image", image.at(0))
    graph.add_packet_to_input_stream("corners", packet_creator.create_proto(points).at(0))
    graph.close_all_packet_sources()
    graph.wait_until_done()
    r = found["region"]
    region = np.array([r.x_center, r.y_center, r.width, r.rotation])
    return region, _places(found["contour"]), _places(found["iris"])


def _places(landmarks):
    return np.array([(point.x, point.y) for point in landmarks.landmark])


def _mirrored(points):
    return points * (-1, 1) + (1, 0)


def _pixels(values):
    """Return shares as pixels; a region's turn stays in radians."""
    factors = (SIZE, SIZE, SIZE, 1)[: values.shape[-1]]
    return np.round(values * factors, 4 if values.ndim == 1 else 2).tolist()


if __name__ == "__main__":
    main()
