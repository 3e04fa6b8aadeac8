// Tens of thousands of points on the GPU: one draw call a frame, whatever is panned, zoomed, coloured or moved. Plain WebGL 2, since the libraries
// that do this compile code at run time, which the pages' Content-Security-Policy forbids. Where there is no WebGL 2, a plain canvas is painted.

const VERTEX = `#version 300 es
in vec2 place;
in float shade;
in float flags;
uniform vec2 scale, shift;
uniform float size;
uniform vec4 palette[12];
out vec4 colour;
flat out float ring;
void main() {
  bool hidden = mod(flags, 2.0) >= 1.0;
  bool faded = mod(floor(flags / 2.0), 2.0) >= 1.0;
  ring = mod(floor(flags / 4.0), 2.0);
  gl_Position = hidden ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(place * scale + shift, 0.0, 1.0);
  gl_PointSize = size * (ring > 0.5 ? 1.9 : 1.0);
  colour = palette[int(shade)];
  if (faded) colour.a *= 0.12;
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in vec4 colour;
flat in float ring;
uniform vec4 ink;
out vec4 pixel;
void main() {
  float distance = length(gl_PointCoord - 0.5) * 2.0;
  if (distance > 1.0) discard;
  vec4 own = ring > 0.5 && distance > 0.62 ? vec4(ink.rgb, ink.a * min(1.0, colour.a * 2.0)) : colour;
  float edge = smoothstep(1.0, 0.8, distance);
  pixel = vec4(own.rgb * own.a, own.a) * edge;
}`;

/** Flags of a point. */
export const HIDDEN = 1, FADED = 2, RINGED = 4;

/** Colours that points may have. */
const COLOURS = 12;
/** Of a faded point. */
const FAINT = 0.12;

/** A canvas full of points. Places are in any unit; the view is the rectangle that is seen. */
export class Scatter {
  constructor(canvas) {
    this.canvas = canvas;
    this.count = 0;
    this.places = new Float32Array();
    this.shades = this.flags = new Uint8Array();
    this.view = { x: 0, y: 0, reach: 1 };
    this.waiting = false;
    this.gliding = null;
    this.palette = new Float32Array(4 * COLOURS);
    this.styles = new Array(COLOURS).fill("#000");
    this.ink = [0, 0, 0, 1];
    /** Called after each painting. */
    this.after = () => {};
    this.gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true, powerPreference: "high-performance" });
    if (this.gl) {
      this.prepare();
      canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => this.prepare());
    } else {
      this.flat = canvas.getContext("2d");
    }
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  /** Shaders and buffers, which a lost context takes with it. */
  prepare() {
    const gl = this.gl;
    this.program = build(gl);
    this.buffers = { place: gl.createBuffer(), shade: gl.createBuffer(), flags: gl.createBuffer() };
    this.fill("place", this.places);
    this.fill("shade", this.shades);
    this.fill("flags", this.flags);
  }

  /** Colours `[red, green, blue, alpha]`, 0 to 1, twelve at most; and that of rings. */
  colours(palette, ink) {
    palette.slice(0, COLOURS).forEach((colour, place) => {
      this.palette.set(colour, 4 * place);
      this.styles[place] = style(colour);
    });
    this.ink = ink;
    this.draw();
  }

  /** `places`: x and y of each point in turn. */
  move(places) {
    this.gliding = null;
    this.places = places;
    this.count = places.length / 2;
    this.grid = null;
    this.fill("place", places);
  }

  /** Moves as `move` does, little by little over so many milliseconds; `each` is called after each step. */
  glide(places, milliseconds, each) {
    const from = this.places;
    const glide = (this.gliding = {}); // a later one, or a move, takes its place
    const begin = performance.now();
    const between = new Float32Array(places.length);
    const step = (now) => {
      if (this.gliding !== glide) return;
      const share = (now - begin) / milliseconds;
      if (share >= 1) {
        this.move(places);
        each();
        return;
      }
      for (let i = 0; i < between.length; i++) between[i] = from[i] + Math.max(0, share) * (places[i] - from[i]);
      this.move(between);
      this.gliding = glide;
      each();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  /** The number of each point's colour, in bytes. */
  shade(shades) {
    this.shades = shades;
    this.order = null;
    this.fill("shade", shades);
  }

  /** Sums of HIDDEN, FADED and RINGED, in bytes. */
  flag(flags) {
    this.flags = flags;
    this.fill("flags", flags);
  }

  fill(name, values) {
    if (this.gl && !this.gl.isContextLost()) {
      const gl = this.gl;
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
    }
    this.draw();
  }

  /** Shows all points. */
  fit() {
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < this.places.length; i += 2) {
      left = Math.min(left, this.places[i]);
      right = Math.max(right, this.places[i]);
      low = Math.min(low, this.places[i + 1]);
      high = Math.max(high, this.places[i + 1]);
    }
    if (!(left <= right)) return;
    this.full = Math.max(right - left, high - low, 1e-9) * 0.53;
    this.view = { x: (left + right) / 2, y: (low + high) / 2, reach: this.full };
    this.draw();
  }

  /** Zooms by `factor` about a place on the screen, in CSS pixels from the canvas's corner. */
  zoom(factor, x, y) {
    const before = this.place(x, y);
    this.view.reach = Math.min(1e9, Math.max(1e-9, this.view.reach / factor));
    const after = this.place(x, y);
    this.view.x += before[0] - after[0];
    this.view.y += before[1] - after[1];
    this.draw();
  }

  /** Pans by so many CSS pixels. */
  pan(x, y) {
    const unit = this.unit();
    this.view.x -= x * unit;
    this.view.y += y * unit;
    this.draw();
  }

  /** Units to a CSS pixel. */
  unit() {
    return (2 * this.view.reach) / Math.max(1, Math.min(this.canvas.clientWidth, this.canvas.clientHeight));
  }

  /** What is seen at a place on the screen. */
  place(x, y) {
    const unit = this.unit();
    return [this.view.x + (x - this.canvas.clientWidth / 2) * unit, this.view.y - (y - this.canvas.clientHeight / 2) * unit];
  }

  /** Where a point is seen, in CSS pixels from the canvas's corner. */
  seen(index) {
    return this.onScreen(this.places[2 * index], this.places[2 * index + 1]);
  }

  /** Where a place is seen. */
  onScreen(x, y) {
    const unit = this.unit();
    return [this.canvas.clientWidth / 2 + (x - this.view.x) / unit, this.canvas.clientHeight / 2 - (y - this.view.y) / unit];
  }

  /** The point nearest to a place on the screen, within `reach` CSS pixels and not hidden; -1 where there is none. */
  nearest(x, y, reach = 12) {
    const [at, unit] = [this.place(x, y), this.unit()];
    const grid = (this.grid ??= new Grid(this.places));
    let [best, least] = [-1, (reach * unit) ** 2];
    grid.within(at[0], at[1], reach * unit, (index) => {
      if (this.flags[index] & HIDDEN) return;
      const distance = (this.places[2 * index] - at[0]) ** 2 + (this.places[2 * index + 1] - at[1]) ** 2;
      if (distance <= least) [best, least] = [index, distance];
    });
    return best;
  }

  /** The points within a polygon on the screen, hidden ones left out. */
  inside(polygon) {
    const found = [];
    const corners = polygon.map(([x, y]) => this.place(x, y));
    for (let index = 0; index < this.count; index++) {
      if (this.flags[index] & HIDDEN) continue;
      const [x, y] = [this.places[2 * index], this.places[2 * index + 1]];
      let is_inside = false;
      for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
        const [[ax, ay], [bx, by]] = [corners[i], corners[j]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) is_inside = !is_inside;
      }
      if (is_inside) found.push(index);
    }
    return found;
  }

  /** Draws in the next frame, once however often it is asked. */
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.paint();
    });
  }

  paint() {
    const canvas = this.canvas;
    const density = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * density), Math.round(canvas.clientHeight * density)];
    if (!width || !height) return;
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    if (this.flat) this.paintFlat(width, height, density);
    else if (!this.gl.isContextLost()) this.paintFast(width, height, density);
    this.after();
  }

  /** The diameter of a point, in CSS pixels: many points are small ones; zooming in makes them grow, but slower than what lies between them. */
  size() {
    const spread = Math.sqrt(this.count) * (this.full ? this.view.reach / this.full : 1);
    return Math.max(2.2, Math.min(7.5, 180 / Math.max(spread, 1) + 1.5));
  }

  paintFast(width, height, density) {
    const { gl, program } = this;
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!this.count || this.shades.length < this.count || this.flags.length < this.count) return;
    gl.useProgram(program.itself);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const side = Math.min(width, height);
    const [across, up] = [side / width / this.view.reach, side / height / this.view.reach];
    gl.uniform2f(program.scale, across, up);
    gl.uniform2f(program.shift, -this.view.x * across, -this.view.y * up);
    gl.uniform1f(program.size, this.size() * density);
    gl.uniform4fv(program.palette, this.palette);
    gl.uniform4fv(program.ink, this.ink);
    this.attribute("place", 2, gl.FLOAT);
    this.attribute("shade", 1, gl.UNSIGNED_BYTE);
    this.attribute("flags", 1, gl.UNSIGNED_BYTE);
    gl.drawArrays(gl.POINTS, 0, this.count);
  }

  attribute(name, width, kind) {
    const { gl, program } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.enableVertexAttribArray(program[name]);
    gl.vertexAttribPointer(program[name], width, kind, false, 0, 0);
  }

  /** Colour by colour, so that the canvas changes its colour a dozen times and not with every point. */
  paintFlat(width, height, density) {
    const { flat, places, flags, view } = this;
    flat.clearRect(0, 0, width, height);
    if (!this.count || this.shades.length < this.count || flags.length < this.count) return;
    const order = (this.order ??= byShade(this.shades));
    const unit = (2 * view.reach) / Math.min(width, height);
    const size = this.size() * density;
    const ring = style(this.ink);
    let shade = -1;
    for (let place = 0; place < this.count; place++) {
      const index = order[place];
      const own = flags[index];
      if (own & HIDDEN) continue;
      if (this.shades[index] !== shade) {
        shade = this.shades[index];
        flat.fillStyle = this.styles[shade];
      }
      const [x, y] = [width / 2 + (places[2 * index] - view.x) / unit, height / 2 - (places[2 * index + 1] - view.y) / unit];
      if (x < -size || y < -size || x > width + size || y > height + size) continue;
      flat.globalAlpha = own & FADED ? FAINT : 1;
      flat.fillRect(x - size / 2, y - size / 2, size, size);
      if (own & RINGED) {
        flat.strokeStyle = ring;
        flat.strokeRect(x - size, y - size, 2 * size, 2 * size);
      }
    }
    flat.globalAlpha = 1;
  }
}

function style([red, green, blue, alpha]) {
  return `rgb(${Math.round(255 * red)} ${Math.round(255 * green)} ${Math.round(255 * blue)} / ${alpha})`;
}

/** The points' numbers, by their colours. */
function byShade(shades) {
  const starts = new Uint32Array(257);
  for (const shade of shades) starts[shade + 1]++;
  for (let shade = 0; shade < 256; shade++) starts[shade + 1] += starts[shade];
  const order = new Uint32Array(shades.length);
  for (let index = 0; index < shades.length; index++) order[starts[shades[index]]++] = index;
  return order;
}

function build(gl) {
  const itself = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(itself, shader);
  }
  gl.linkProgram(itself);
  if (!gl.getProgramParameter(itself, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(itself) ?? "no shaders");
  const program = { itself };
  for (const name of ["place", "shade", "flags"]) program[name] = gl.getAttribLocation(itself, name);
  for (const name of ["scale", "shift", "size", "palette", "ink"]) program[name] = gl.getUniformLocation(itself, name);
  return program;
}

/** Points by the cell of a grid they lie in, some eight to a cell. */
class Grid {
  constructor(places) {
    const count = places.length / 2;
    let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < places.length; i += 2) {
      left = Math.min(left, places[i]);
      right = Math.max(right, places[i]);
      low = Math.min(low, places[i + 1]);
      high = Math.max(high, places[i + 1]);
    }
    this.side = Math.max(1, Math.round(Math.sqrt(count / 8)));
    [this.left, this.low] = [left, low];
    this.cell = Math.max(right - left, high - low, 1e-12) / this.side;
    const cells = (this.side + 1) ** 2;
    this.starts = new Uint32Array(cells + 1);
    const own = new Uint32Array(count);
    for (let i = 0; i < count; i++) {
      own[i] = this.column(places[2 * i], this.left) + (this.side + 1) * this.column(places[2 * i + 1], this.low);
      this.starts[own[i] + 1]++;
    }
    for (let cell = 0; cell < cells; cell++) this.starts[cell + 1] += this.starts[cell];
    const next = this.starts.slice();
    this.points = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.points[next[own[i]]++] = i;
  }

  column(value, from) {
    return Math.min(this.side, Math.max(0, Math.floor((value - from) / this.cell)));
  }

  within(x, y, reach, visit) {
    const [first, last] = [this.column(x - reach, this.left), this.column(x + reach, this.left)];
    for (let row = this.column(y - reach, this.low); row <= this.column(y + reach, this.low); row++) {
      for (let column = first; column <= last; column++) {
        const cell = column + (this.side + 1) * row;
        for (let place = this.starts[cell]; place < this.starts[cell + 1]; place++) visit(this.points[place]);
      }
    }
  }
}
