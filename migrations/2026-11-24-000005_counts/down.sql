DROP TABLE counts, count_deltas;
