# Seconds that the longest tests take, so that ctest starts these first: a long test that starts last
# leaves the other processors idle. The order matters, not the exact numbers.
function(tb_set_cost name)
  set(costs
      bridge/log/kafka/kafka=150 bridge/log/kafka/reader=125 live/rebuild=110
      live/central_faults=105 live/proxy=85 bridge/log/kafka/writer=75 bridge/log/kafka/order=75
      live/status=70 live/dead_letters=55 live/central=50 live/ordering=50 live/replay=45
      sim=45 live/edge_kafka=25 live/read_writes=20 live/verify=15 live/backlog=20
      live/diagnostics=20 query/mongo/fault=30 query/rebuild/rebuild_mongo=25
      query/sqlite/fault=25 query/rebuild/fault=20 store/writer_fault=20
      query/mongo/view_mongo=20 query/mongo/commit=20 e2e/rebuild=20 edge/retention=20
      bridge/log/inproc/fault=15 bridge/relay/relay=15 api/ws/bounds=15 edge/kafka=15
      e2e/limits=12 e2e/read_writes=12 api/http/mhd=12 query/mongo/read=12 query/mongo/nodes=12
      query/mongo/dead_letters=10)
  foreach(entry IN LISTS costs)
    if(entry MATCHES "^${name}=([0-9]+)$")
      set_tests_properties(${name} PROPERTIES COST ${CMAKE_MATCH_1})
    endif()
  endforeach()
endfunction()
