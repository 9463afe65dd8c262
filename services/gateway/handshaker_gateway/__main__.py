from handshaker_gateway.main import main

main()
