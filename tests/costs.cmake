# Seconds that the longest tests take, so that ctest starts these first: a long test that starts last
# leaves the other processors idle. The order matters, not the exact numbers.
function(tb_set_cost name)
  set(costs
      sim=140 live/rebuild=115 live/central_faults=108 live/proxy=89 live/ordering=78
      bridge/log/inproc/fault=71 live/status=70 edge/retention=68 live/central=65
      live/dead_letters=62 live/read_writes=54 live/replay=47 base/sqlite/checkpoint=45
      bridge/relay/relay=45 query/rebuild/fault=37 query/mongo/fault=34 query/sqlite/fault=31
      bridge/log/kafka/order=35 bridge/log/kafka/kafka=25 bridge/log/kafka/reader=25
      bridge/log/kafka/writer=25 live/edge_kafka=25 store/writer_fault=24 e2e/pinned=21 live/backlog=20
      live/diagnostics=20 live/retire=20 live/transactions=40 live/former_build=35 e2e/lost_files=20 e2e/lost_open_files=15 live/verify=15 live/restore=10 query/rebuild/rebuild_mongo=15
      query/mongo/view_mongo=15 query/mongo/commit=5 e2e/rebuild=20 e2e/power_cut=14
      e2e/io_error=11 e2e/kill9=11 api/ws/bounds=15 edge/kafka=15 edge/derived=15 edge/refill=12
      e2e/limits=12 e2e/read_writes=12 api/http/mhd=12 query/mongo/read=12 query/mongo/nodes=12
      query/mongo/dead_letters=10)
  foreach(entry IN LISTS costs)
    if(entry MATCHES "^${name}=([0-9]+)$")
      set_tests_properties(${name} PROPERTIES COST ${CMAKE_MATCH_1})
    endif()
  endforeach()
endfunction()
