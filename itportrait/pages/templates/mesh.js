// Textured meshes, turned by mouse, finger and keys. One WebGL context draws all of them, since a
// browser allows a page but a few; each figure has a plain canvas that the picture is copied to.
const sheet = document.createElement('canvas'), gl = sheet.getContext('webgl', { alpha: true, antialias: true });
const reduced = matchMedia('(prefers-reduced-motion: reduce)').matches;
const LIMIT = 1.2, STEP = Math.PI / 18, FIELD = Math.tan(0.1644), SWAY = 0.6, PERIOD_MS = 7000;

function program() {
  const made = gl.createProgram();
  const parts = [
    [gl.VERTEX_SHADER, 'attribute vec3 point; attribute vec2 uv; uniform mat4 view; varying vec2 at;' +
      'void main() { at = uv; gl_Position = view * vec4(point, 1.0); }'],
    [gl.FRAGMENT_SHADER, 'precision mediump float; uniform sampler2D image; varying vec2 at;' +
      'void main() { gl_FragColor = vec4(texture2D(image, at).rgb, 1.0); }'],
  ];
  for (const [kind, text] of parts) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(made, shader);
  }
  gl.linkProgram(made); gl.useProgram(made);
  return made;
}

function buffer(kind, data) {
  const made = gl.createBuffer();
  gl.bindBuffer(kind, made); gl.bufferData(kind, data, gl.STATIC_DRAW);
  return made;
}

// Reads a file as itportrait writes it: one mesh with 16 or 32 bit indices, and one JPEG.
async function load(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0)), view = new DataView(bytes.buffer);
  const length = view.getUint32(12, true), tree = JSON.parse(new TextDecoder().decode(bytes.subarray(20, 20 + length)));
  const part = number => {
    const { byteOffset, byteLength } = tree.bufferViews[number];
    return bytes.subarray(28 + length + byteOffset, 28 + length + byteOffset + byteLength);
  };
  const { attributes, indices } = tree.meshes[0].primitives[0], of = number => tree.accessors[number];
  const { min, max } = of(attributes.POSITION);
  const image = await createImageBitmap(new Blob([part(tree.images[0].bufferView)], { type: 'image/jpeg' }));
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, image);
  for (const [name, value] of [[gl.TEXTURE_MIN_FILTER, gl.LINEAR], [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE]])
    gl.texParameteri(gl.TEXTURE_2D, name, value);
  if (of(indices).componentType === 5125) gl.getExtension('OES_element_index_uint');
  return {
    texture, kind: of(indices).componentType, count: of(indices).count,
    points: buffer(gl.ARRAY_BUFFER, part(of(attributes.POSITION).bufferView)),
    uv: buffer(gl.ARRAY_BUFFER, part(of(attributes.TEXCOORD_0).bufferView)),
    indices: buffer(gl.ELEMENT_ARRAY_BUFFER, part(of(indices).bufferView)),
    middle: min.map((low, axis) => (low + max[axis]) / 2),
    radius: Math.hypot(...min.map((low, axis) => max[axis] - low)) / 2,
  };
}

// Column by column: a camera on a sphere around the middle, which looks at it.
function camera(mesh, yaw, pitch) {
  const [s, c, t, d] = [Math.sin(yaw), Math.cos(yaw), Math.sin(pitch), Math.cos(pitch)];
  const right = [c, 0, -s], up = [-s * t, d, -c * t], back = [s * d, t, c * d];
  const away = 0.8 * mesh.radius / FIELD, near = away - 2 * mesh.radius, far = away + 2 * mesh.radius;
  const dot = axis => -axis.reduce((sum, value, n) => sum + value * mesh.middle[n], 0);
  const rows = [[...right, dot(right)], [...up, dot(up)], [...back, dot(back) - away]];
  const a = (far + near) / (near - far), b = 2 * far * near / (near - far);
  const all = [rows[0].map(v => v / FIELD), rows[1].map(v => v / FIELD), rows[2].map((v, n) => a * v + (n === 3 ? b : 0)), rows[2].map(v => -v)];
  return new Float32Array([0, 1, 2, 3].flatMap(column => all.map(row => row[column])));
}

function draw(target, mesh, made, yaw, pitch) {
  const { width, height } = target;
  if (sheet.width !== width) sheet.width = width;
  if (sheet.height !== height) sheet.height = height;
  gl.viewport(0, 0, width, height);
  gl.enable(gl.DEPTH_TEST); gl.clearColor(0, 0, 0, 0); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
  for (const [name, data, size] of [['point', mesh.points, 3], ['uv', mesh.uv, 2]]) {
    const place = gl.getAttribLocation(made, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, data); gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, size, gl.FLOAT, false, 0, 0);
  }
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, mesh.indices); gl.bindTexture(gl.TEXTURE_2D, mesh.texture);
  gl.uniformMatrix4fv(gl.getUniformLocation(made, 'view'), false, camera(mesh, yaw, pitch));
  gl.drawElements(gl.TRIANGLES, mesh.count, mesh.kind, 0);
  const plain = target.getContext('2d');
  plain.clearRect(0, 0, width, height); plain.drawImage(sheet, 0, 0);
}

function show(figure, made) {
  const target = figure.querySelector('canvas'), source = figure.querySelector('script');
  let mesh = null, loading = false, yaw = 0, pitch = 0, touched = reduced, seen = false, begun = null;
  const paint = () => {
    if (!mesh) return;
    draw(target, mesh, made, yaw, pitch);
    target.dataset.yaw = yaw.toFixed(3); target.dataset.pitch = pitch.toFixed(3);
  };
  const turn = (x, y) => {
    touched = true; yaw += x; pitch = Math.max(-LIMIT, Math.min(LIMIT, pitch + y));
    paint();
  };
  const sway = time => {
    if (touched || !seen) return;
    yaw = SWAY * Math.sin(2 * Math.PI * time / PERIOD_MS);
    paint(); requestAnimationFrame(sway);
  };
  new IntersectionObserver(async ([entry]) => {
    seen = entry.isIntersecting;
    if (seen && !loading) { loading = true; mesh = await load(source.textContent); paint(); }
    if (seen) requestAnimationFrame(sway);
  }).observe(target);
  target.addEventListener('pointerdown', event => {
    begun = [event.clientX, event.clientY]; touched = true;
    target.setPointerCapture(event.pointerId); target.focus({ preventScroll: true }); event.preventDefault();
  });
  target.addEventListener('pointermove', event => {
    if (!begun) return;
    const [x, y] = begun, scale = Math.PI / target.getBoundingClientRect().width;
    begun = [event.clientX, event.clientY];
    turn((x - event.clientX) * scale, event.pointerType === 'touch' ? 0 : (event.clientY - y) * scale);
  });
  for (const name of ['pointerup', 'pointercancel']) target.addEventListener(name, () => { begun = null; });
  const keys = { ArrowLeft: [STEP, 0], ArrowRight: [-STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
  target.addEventListener('keydown', event => {
    if (!(event.key in keys)) return;
    turn(...keys[event.key]); event.preventDefault();
  });
}

if (gl) {
  const made = program();
  for (const figure of document.querySelectorAll('.mesh')) show(figure, made);
} else {
  for (const note of document.querySelectorAll('.mesh .none')) note.hidden = false;
  for (const target of document.querySelectorAll('.mesh canvas')) target.hidden = true;
}
