from handshaker_keys.main import main

main()
