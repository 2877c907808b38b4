// Icons beside those of today's page, 24 by 24, drawn in lines: name -> shapes [tag, attributes].

const path = (d) => ["path", { d }];
const circle = (cx, cy, r) => ["circle", { cx, cy, r }];

export const SYMBOLS = {
  judge: [path("M4 8.5V4h4.5M15.5 4H20v4.5M20 15.5V20h-4.5M8.5 20H4v-4.5"), circle(12, 12, 3.6)],
  teach: [path("M3 5h13v11H3ZM3 13l4-3.6 3 2.6 2-1.8 4 3.4M19.5 14v7M16 17.5h7")],
  history: [path("M4.6 7.5A8.5 8.5 0 1 1 3.5 12M4 3.5v4.3h4.3M12 7.5V12l3.2 2")],
  models: [path("M12 3.5 21 8l-9 4.5L3 8ZM3 12.2l9 4.5 9-4.5M3 16.4l9 4.5 9-4.5")],
  drift: [path("M3.5 3.5v17h17M6.5 13.5l3.5-3 3.5 2.6 6-7.1M15.5 6h4v4")],
  settings: [path("M4 7h8M17 7h3M4 17h3M12 17h8"), circle(14.5, 7, 2.4), circle(9.5, 17, 2.4)],
  user: [circle(12, 8.2, 4), path("M4.5 20.5c.6-4.6 3.6-6.6 7.5-6.6s6.9 2 7.5 6.6")],
  add: [path("M12 5v14M5 12h14")],
  undo: [path("M4 9.5h10.5a5 5 0 0 1 0 10H9M8 5 3.7 9.5 8 14")],
  copy: [path("M8.5 8.5h11v11h-11ZM5.5 15.5h-1v-11h11v1")],
  box: [path("M4 6h16v12H4Z")],
  shape: [path("M12 3.5 20.5 10l-3.2 10H6.7L3.5 10Z")],
  brush: [path("M20 4 10 14M10 14c-2.5-.5-4.5 1-4.5 3.5 0 1.5-1 2.5-2 2.5 3.5 1.5 9 .5 8.5-4.5Z")],
  live: [path("M12 3.5v8M6.8 6.8a7.5 7.5 0 1 0 10.4 0")],
  network: [path("M3 16.5h18v4H3ZM6.5 18.5h.1M12 12.5v4M8.5 9.5a5 5 0 0 1 7 0M5.8 6.5a9 9 0 0 1 12.4 0")],
};
