from handshaker_auth.main import main

main()
