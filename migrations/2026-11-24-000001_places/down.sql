DROP TABLE polling_stations, place_aliases, city_regions, cities, regions, elections;
DROP FUNCTION fold(text);
