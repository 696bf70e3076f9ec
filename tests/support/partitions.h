/* Partitions of the topics that tests make: more than one, so that what depends on it shows. */
#pragma once
#define TEST_PARTITIONS 6
