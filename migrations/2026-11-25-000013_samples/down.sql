DROP TABLE sample_stations, sample_strata, samples;
